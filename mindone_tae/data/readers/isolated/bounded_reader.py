"""Reading a file in another process, so that no file can hang or crash this one."""

from __future__ import annotations

import os

from ..base import UnreadableVideo, VideoReader
from .reader_pool import Crashed, Hung, ReaderPool

# Shared by all data sets and threads of this process.
_pool = ReaderPool()


class BoundedReader(VideoReader):
    """A reader whose opening and whose every reading end after a time.

    A hang or a crash is an UnreadableVideo; with "auto", PyAV is tried first where it was not the one that failed.

    Args:
        path: see `open_video`.
        reader: see `open_video`.
        timeout_s: seconds that opening, and each reading, may take.
        pool: processes to use; None those shared by all.
    """

    # Files on which decord hung or crashed, so that each costs its time only once.
    _left_to_pyav: set[str] = set()

    def __init__(self, path: str | os.PathLike, reader: str = "auto", timeout_s: float = 60.0, pool: ReaderPool | None = None):
        self.path = os.path.abspath(path)
        self._timeout_s, self._pool, self._process = timeout_s, pool or _pool, None
        self._may_change = reader == "auto" and self.path not in self._left_to_pyav
        self._count = None
        self._open("pyav" if self.path in self._left_to_pyav and reader == "auto" else reader)

    def _open(self, reader):
        if self._process is None:
            self._process = self._pool.take()
        try:
            facts = self._ask("open", path=self.path, reader=reader)[0]
        except BaseException:
            self.close()
            raise
        if facts is None:
            return self._open("pyav")
        size = tuple(facts["size"])
        if self._count is not None and (self._count, self.size) != (facts["frames"], size):
            self.close()  # frame numbers already given out would mean other frames
            raise UnreadableVideo(self.path, f"decord counts {self._count} frames and cannot read them, PyAV {facts['frames']}")
        self._count, self.size = facts["frames"], size
        self.fps, self.codec, self.name = facts["fps"], facts["codec"], facts["reader"]

    def _ask(self, do, **arguments):
        """The reply; (None, None) where the process is lost and PyAV has its turn."""
        if self._process is None:
            raise ValueError(f"{self.path} was closed: open it again to read")
        try:
            header, array = self._process.ask(do, self._timeout_s, **arguments)
        except (Hung, Crashed) as error:
            self._process = None
            if not self._may_change:
                raise UnreadableVideo(self.path, self._told(do, error)) from None
            self._may_change = False
            self._left_to_pyav.add(self.path)
            return None, None
        if "unreadable" in header:
            raise UnreadableVideo(self.path, header["unreadable"])
        return header, array

    def _told(self, do, error):
        what = "opening" if do == "open" else "reading"
        if isinstance(error, Hung):
            return f"{what} it took more than {self._timeout_s:g} s and was stopped"
        return f"{what} it crashed the decoder ({error})"

    def _frames(self, do, **arguments):
        header, frames = self._ask(do, **arguments)
        if header is None:
            self._open("pyav")
            header, frames = self._ask(do, **arguments)
        self.name = header["reader"]
        return frames

    def __len__(self):
        return self._count

    def _read_sorted(self, indices):
        return self._frames("read", indices=list(indices))

    def read_resized(self, indices, size, box):
        return self._frames("read_resized", indices=self._valid(indices).tolist(), size=list(size), box=list(box))

    def stretch(self, first, last):
        header = self._ask("stretch", first=int(first), last=int(last))[0]
        if header is None:
            self._open("pyav")
            return self.stretch(first, last)
        return tuple(header["stretch"])

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
