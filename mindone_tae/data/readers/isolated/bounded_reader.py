"""Reading a file in another process, so that no file can hang or crash this one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

from mindone_tae.zoo.errors import UserError

from ..base import UnreadableVideo, VideoReader
from .reader_pool import Crashed, Hung, NoProcess, ReaderPool

_Result = TypeVar("_Result")

# Shared by all data sets and threads of this process.
_pool = ReaderPool()
# Default limit of a process's memory; measured on 2 cores, 4K video takes 450 MB and 8K 780.
MEMORY_MB = 2048.0
# Seconds to wait before each replacement of a lost process, rising to give the machine time to recover.
_PAUSES = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0)


class BoundedReader(VideoReader):
    """A reader with a time limit on opening and on each read; a hang or a crash is an UnreadableVideo.

    A process killed from outside says nothing about the file: another one replaces it and continues.

    Args:
        path: see `open_video`.
        reader: see `open_video`.
        timeout_s: seconds that opening, and each reading, may take.
        pool: processes to use; None for the shared pool.
        tone_map: see `open_video`.
        memory_mb: most megabytes a process may take; None for no limit.

    Raises:
        UnreadableVideo: here and in every method, the file cannot be read, or not in time.
        UserError: here and in every method, processes were killed from outside several times in a row.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        reader: str = "auto",
        timeout_s: float = 60.0,
        pool: ReaderPool | None = None,
        tone_map: bool = False,
        memory_mb: float | None = MEMORY_MB,
    ):
        self.path = os.path.abspath(path)
        self._timeout_s, self._memory_mb, self._pool = timeout_s, memory_mb, pool or _pool
        self._opening = {"path": self.path, "reader": reader, "tone_map": tone_map, "memory_mb": memory_mb}
        self._process, self._closed = None, False
        facts = self._ask("open", **self._opening)[0]
        self._count, self.size = facts.pop("frames"), tuple(facts.pop("size"))
        for name, value in facts.items():
            setattr(self, name, value)

    def _ask(self, do, **arguments):
        """The reply to a request, repeated in a new process where one was killed from outside."""
        if self._closed:
            raise ValueError(f"{self.path} was closed: open it again to read")
        try:
            return outlasting(lambda: self._ask_once(do, arguments), self.path)
        except BaseException:
            if do == "open":
                self.close()
            raise

    def _ask_once(self, do, arguments):
        try:
            if self._process is None:
                self._process = self._pool.take()
                if do != "open":
                    self._open_again()
            return self._reply(do, **arguments)
        except (NoProcess, Hung, Crashed) as error:
            self._process = None
            if isinstance(error, NoProcess):
                raise
            raise UnreadableVideo(self.path, self._told(do, error)) from None

    def _open_again(self):
        facts = self._reply("open", **self._opening)[0]
        # with another count or size, frame numbers in use would mean other frames
        if (facts["frames"], tuple(facts["size"])) != (self._count, self.size):
            raise UnreadableVideo(self.path, "it changed while it was read")

    def _reply(self, do, **arguments):
        header, array = self._process.ask(do, self._timeout_s, **arguments)
        if "lacked_memory" in header:
            process, self._process = self._process, None
            process.kill()  # its memory is full
            bound = "the machine has" if self._memory_mb is None else f"read_memory_mb allows ({self._memory_mb:g} MB)"
            raise UnreadableVideo(self.path, f"it takes more memory than {bound}")
        if "unreadable" in header:
            raise UnreadableVideo(self.path, header["unreadable"])
        return header, array

    def _told(self, do, error):
        what = "opening" if do == "open" else "reading"
        if isinstance(error, Hung):
            return f"{what} it took more than {self._timeout_s:g} s and was stopped"
        bound = (
            "" if self._memory_mb is None or str(error) != "SIGABRT" else f" with read_memory_mb {self._memory_mb:g}"
        )
        return f"{what} it crashed the decoder ({error}){bound}"

    def __len__(self):
        return self._count

    def _read_sorted(self, indices):
        return self._ask("read", indices=list(indices))[1]

    def read_resized(self, indices, size, box):
        return self._ask("read_resized", indices=self._valid(indices).tolist(), size=list(size), box=list(box))[1]

    def stretch(self, first, last):
        return tuple(self._ask("stretch", first=int(first), last=int(last))[0]["stretch"])

    def close(self):
        self._closed = True
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.ask("close", self._timeout_s)
        except (Hung, Crashed, NoProcess):
            return
        self._pool.give_back(process)


def outlasting(attempt: Callable[[], _Result], path: str) -> _Result:
    """The result of an attempt, repeated in a new process each time that one is killed from outside.

    Args:
        attempt: may raise NoProcess.
        path: the file that is read.

    Raises:
        UserError: every process was killed, over half a minute.
    """
    started, losses = time.monotonic(), []
    for pause in _PAUSES:
        time.sleep(pause)
        try:
            return attempt()
        except NoProcess as error:
            losses.append(str(error))
    seconds = time.monotonic() - started
    raise UserError(
        f"{path} could not be read, by no fault of its own: its process was lost {len(losses)} times in {seconds:.0f} "
        f"s ({', '.join(dict.fromkeys(losses))}), as the system does where memory runs out: free memory, or lower "
        "loader.num_workers (--workers of check-data), and start again with what was done so far"
    )


def bounded_stamp(path: str | os.PathLike, timeout_s: float, pool: ReaderPool | None = None) -> tuple[int, ...] | None:
    """`stamp_of` in another process, since a dead network disk would hang this one; None also without a timely answer.

    Args:
        path: the file.
        timeout_s: seconds that it may take.
        pool: processes to use; None for the shared pool.

    Raises:
        UserError: processes were killed from outside several times in a row.
    """
    pool, path = pool or _pool, os.path.abspath(path)

    def ask():
        process = pool.take()
        stamp = process.ask("stamp", timeout_s, path=path)[0].get("stamp")
        pool.give_back(process)
        return stamp and tuple(stamp)

    try:
        return outlasting(ask, path)
    except (Hung, Crashed):
        return None
