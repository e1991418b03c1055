"""Reading a file in another process, so that no file can hang or crash this one."""

from __future__ import annotations

import os

from ..base import UnreadableVideo, VideoReader
from .reader_pool import Crashed, Hung, ReaderPool

# Shared by all data sets and threads of this process.
_pool = ReaderPool()


class BoundedReader(VideoReader):
    """A reader whose opening and whose every reading end after a time; a hang or a crash is an UnreadableVideo.

    Args:
        path: see `open_video`.
        reader: see `open_video`.
        timeout_s: seconds that opening, and each reading, may take.
        pool: processes to use; None those shared by all.
        tone_map: see `open_video`.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        reader: str = "auto",
        timeout_s: float = 60.0,
        pool: ReaderPool | None = None,
        tone_map: bool = False,
    ):
        self.path = os.path.abspath(path)
        self._timeout_s, self._pool = timeout_s, pool or _pool
        self._process = self._pool.take()
        try:
            facts = self._ask("open", path=self.path, reader=reader, tone_map=tone_map)[0]
        except BaseException:
            self.close()
            raise
        self._count, self.size = facts.pop("frames"), tuple(facts.pop("size"))
        for name, value in facts.items():
            setattr(self, name, value)

    def _ask(self, do, **arguments):
        """The reply."""
        if self._process is None:
            raise ValueError(f"{self.path} was closed: open it again to read")
        try:
            header, array = self._process.ask(do, self._timeout_s, **arguments)
        except (Hung, Crashed) as error:
            self._process = None
            raise UnreadableVideo(self.path, self._told(do, error)) from None
        if "unreadable" in header:
            raise UnreadableVideo(self.path, header["unreadable"])
        return header, array

    def _told(self, do, error):
        what = "opening" if do == "open" else "reading"
        if isinstance(error, Hung):
            return f"{what} it took more than {self._timeout_s:g} s and was stopped"
        return f"{what} it crashed the decoder ({error})"

    def __len__(self):
        return self._count

    def _read_sorted(self, indices):
        return self._ask("read", indices=list(indices))[1]

    def read_resized(self, indices, size, box):
        return self._ask("read_resized", indices=self._valid(indices).tolist(), size=list(size), box=list(box))[1]

    def stretch(self, first, last):
        return tuple(self._ask("stretch", first=int(first), last=int(last))[0]["stretch"])

    def close(self):
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.ask("close", self._timeout_s)
        except (Hung, Crashed):
            return
        self._pool.give_back(process)


def bounded_stamp(path: str | os.PathLike, timeout_s: float, pool: ReaderPool | None = None) -> tuple[int, ...] | None:
    """`stamp_of` in another process, as asking a dead network disk hangs; None also where no answer came in time.

    Args:
        path: the file.
        timeout_s: seconds that it may take.
        pool: processes to use; None those shared by all.
    """
    pool = pool or _pool
    process = pool.take()
    try:
        stamp = process.ask("stamp", timeout_s, path=os.path.abspath(path))[0].get("stamp")
    except (Hung, Crashed):
        return None
    pool.give_back(process)
    return stamp and tuple(stamp)
