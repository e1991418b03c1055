"""A reader for tests that hangs or crashes as decoders do; what it does stands in the file's name."""

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
            raise MemoryError("no room")

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
