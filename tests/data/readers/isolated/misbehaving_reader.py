"""A reader for tests that hangs or crashes as decoders do, by the file's name."""

import ctypes
import os
import signal
import sys
import time

import numpy as np

from mindone_tae.data.readers.base import UnreadableVideo, VideoReader


class _Reader(VideoReader):
    name, size, fps, codec = "none", (8, 8), 10.0, "none"

    def __init__(self, path):
        super().__init__(path)
        self._behaviour = os.path.basename(path).split(".")[0]
        self._do("open")

    def _do(self, moment):
        if self._behaviour == f"{moment}_hang":
            ctypes.PyDLL(None).sleep(100)  # PyDLL keeps the interpreter lock: no thread could end this
        if self._behaviour == f"{moment}_sleep":
            time.sleep(100)
        if self._behaviour == f"{moment}_crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if self._behaviour == f"{moment}_error":
            raise KeyError("no room")
        if self._behaviour == f"{moment}_memory":
            np.ones(2**29)  # 4 GB
        if self._behaviour == f"{moment}_hidden_memory":
            self._fill()
        for name in ("KILL", "TERM", "STOP"):
            if (
                self._behaviour == f"{moment}_{name}"
                or self._behaviour == f"{moment}_{name}_3_times"
                and self._count(3)
            ):
                os.kill(os.getpid(), getattr(signal, f"SIG{name}"))
                time.sleep(100)

    def _count(self, most):
        """Whether this was done fewer times than so many to this file before, by any process."""
        with open(f"{self.path}.times", "a+") as times:
            times.write("x")
            return times.tell() <= most

    def _fill(self):
        """Takes the memory that it may, and says nothing of it."""
        kept = []
        try:
            while True:
                kept.append(np.ones(2**20))
        except MemoryError:
            raise UnreadableVideo(self.path, "odd") from None

    def __len__(self):
        return 4

    def _read_sorted(self, indices):
        self._do("read")
        return np.array(indices, np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 3), np.uint8)


def open_misbehaving(path, reader, tone_map):
    """As `open_video`."""
    return _Reader(path)


def tell_modules(path, reader, tone_map):
    """Gives the loaded modules as the reason."""
    raise UnreadableVideo(path, " ".join(sorted(name for name in sys.modules if "." not in name)))
