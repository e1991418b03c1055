"""A bounded cache of resized frames in memory."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np

from ..files.inspection import ClipInfo

# Memory of an array beside its pixels, including its entry in a dict.
_OVERHEAD_BYTES = 256

# The size (h, w) that frames have been resized to, and the box they were cut from.
Form = tuple[tuple[int, int], tuple[float, float, float, float]]


@dataclass
class KeptFile:
    """One file's frames in the cache.

    Attributes:
        stamp: of the file when it was read, see `stamp_of`.
        info: what it holds.
        frames: for each form, frames uint8 (h, w, 3) by number.
    """

    stamp: tuple[int, ...]
    info: ClipInfo
    frames: dict[Form, dict[int, np.ndarray]] = field(default_factory=dict)

    def bytes(self) -> int:
        """That it takes."""
        return sum(_bytes(frame) for frames in self.frames.values() for frame in frames.values())


class FrameCache:
    """Frames of files; threads may share it.

    Frames stay until their file changes, and are never evicted for others: in random order all frames are equally
    likely to be drawn next, so that eviction would gain nothing.

    Args:
        megabytes: most memory the frames may take.
    """

    def __init__(self, megabytes: float):
        self._room = int(megabytes * 2**20)
        self._files: dict[str, KeptFile] = {}
        self._partly_bad: set[tuple] = set()
        self._lock = threading.Lock()

    def file(self, path: str, stamp: tuple[int, ...]) -> KeptFile | None:
        """A file's entry, or None; drops the entry of a file that has changed.

        Args:
            path: the file.
            stamp: its current stamp.
        """
        with self._lock:
            kept = self._files.get(path)
            if kept is not None and kept.stamp != stamp:
                self._room += self._files.pop(path).bytes()
                return None
            return kept

    def without_stretches(self, path: str, stamp: tuple[int, ...]) -> bool:
        """Whether only clips, not whole stretches, are to be read from a file."""
        return (path, stamp) in self._partly_bad

    def leave_stretches(self, path: str, stamp: tuple[int, ...]) -> None:
        """Note that reading more than a clip of this file failed, so that it is tried once."""
        self._partly_bad.add((path, stamp))

    def room_for(self, count: int, size: tuple[int, int]) -> bool:
        """Whether there is room for `count` more frames (h, w, 3)."""
        return count * (size[0] * size[1] * 3 + _OVERHEAD_BYTES) <= self._room

    def keep(
        self, path: str, stamp: tuple[int, ...], info: ClipInfo, form: Form, frames: dict[int, np.ndarray]
    ) -> None:
        """Keep frames as far as there is room.

        Args:
            path: the file.
            stamp: that it had before it was opened.
            info: what it holds.
            form: of the frames.
            frames: uint8 (h, w, 3) by number.
        """
        with self._lock:
            kept = self._files.get(path) or KeptFile(stamp, info)
            if (kept.stamp, kept.info) != (stamp, info):
                return
            known = kept.frames.setdefault(form, {})
            for number, frame in frames.items():
                if number not in known and _bytes(frame) <= self._room:
                    known[number] = frame.copy()  # a view would keep all frames alive that were read with it
                    self._room -= _bytes(frame)
            if known:
                self._files[path] = kept


def _bytes(frame):
    return frame.nbytes + _OVERHEAD_BYTES
