"""Reading video with decord, limited to the files on which it is exact."""

from __future__ import annotations

import os
import re

import numpy as np

from .base import UnreadableVideo, VideoReader
from .pyav_reader import PyAVReader

# decord fills a frame it cannot decode with a copy of a neighbour, and reports it only above this share of all frames.
_COPIES_ALLOWED = 1e-9
# FFmpeg's names of containers from which decord gives the frames asked for.
_CONTAINERS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")
# Levels by which swscale's fast conversion darkens red, green and blue of these formats, about the same on any picture.
_DARKENS = {"yuv420p": (1, 2, 1), "yuvj420p": (1, 1, 0)}
# Levels of grey that decord's picture may differ by from PyAV's in the mean. Colours differ more: it repeats them for
# neighbouring pixels.
_GREY, _ALIKE = (0.299, 0.587, 0.114), 4


def import_decord():
    """The decord module, quiet.

    Raises:
        ImportError: not installed, or its library does not load here.
    """
    try:
        import decord
    except OSError as error:
        raise ImportError(str(error)) from error
    decord.logging.set_level(decord.logging.QUIET)
    return decord


class DecordReader(VideoReader):
    """Frames by number from decord. Close it after use: decord's memory is freed only with its reader.

    decord seeks to a keyframe's time and counts from there, so it is right only where every keyframe is found by its
    time and no frame stored after it is shown before it; and it converts colours by a table that is off by a known
    amount. Other files are refused, for PyAV to read, and those whose frames at the first two keyframes it shows
    otherwise than PyAV.
    """

    name = "decord"

    def __init__(self, path: str | os.PathLike):
        super().__init__(path)
        decord = import_decord()
        with PyAVReader(self.path) as exact:
            self._check(exact)
            self.codec, self.keyframes, self.fps = exact.codec, exact.keyframes, exact.fps
            self._darker = np.array(_DARKENS[exact.pixels], np.uint8)
            # the frame before a keyframe shows whether decord takes it for one, as where the file marks every frame
            second = exact.keyframes[1:2]
            probed = sorted({0, *second, *(number - 1 for number in second)}, reverse=True)
            expected = exact.read(probed)
        try:
            where = os.path.join(os.getcwd(), self.path)
            self._reader = decord.VideoReader(where, ctx=decord.cpu(0), num_threads=2, fault_tol=_COPIES_ALLOWED)
            self._count = len(self._reader)
            self.size = self._reader.get_batch([0]).shape[1:3]
        except Exception as error:  # decord raises its own errors, RuntimeError and AssertionError
            raise UnreadableVideo(self.path, f"decord cannot open it: {_short(error)}") from error
        if self._count != len(exact):  # decord misnumbers the frames where an edit list hides some
            raise self._left(f"counts {self._count} frames of {len(exact)}")
        if self.size != exact.size:
            raise self._left("takes another of its video streams, or does not crop or turn it")
        shown = np.concatenate([self._read_sorted([number]) for number in probed])
        if np.abs((shown - expected.astype(np.float32)) @ _GREY).mean(axis=(1, 2)).max() > _ALIKE:
            raise self._left("gives other pictures, as where they are mirrored, cropped or refreshed part by part")

    def _check(self, exact):
        if exact.container not in _CONTAINERS:
            raise self._left(f"gives wrong frames of {exact.container} files")
        if not exact.index.simple:
            raise self._left(
                "gives wrong frames where keyframes are delayed unevenly or follow frames shown after them"
            )
        if not exact.keyframes and exact.index.keyframes:
            raise self._left("gives wrong frames where every frame is marked as a keyframe")
        if exact.pixels not in _DARKENS:
            raise self._left(f"gives wrong colours of {exact.pixels}")

    def _left(self, what):
        return UnreadableVideo(self.path, f"decord {what}: use reader auto or pyav")

    def __len__(self):
        return self._count

    def _read_sorted(self, indices):
        if self._reader is None:
            raise ValueError(f"{self.path} was closed: open it again to read")
        try:
            frames = self._reader.get_batch(list(indices)).asnumpy()
        except Exception as error:
            raise UnreadableVideo(self.path, f"decord cannot read it: {_short(error)}") from error
        return self._brightened(frames)

    def _brightened(self, frames):
        rows = frames.reshape(-1, frames.shape[-2] * 3)
        darker = np.tile(self._darker, frames.shape[-2])
        bright = np.minimum(rows, 255 - darker)
        bright += darker
        bright = bright.reshape(frames.shape)
        # grey, black included, comes out nearly right
        grey = (frames[..., 0] == frames[..., 1]) & (frames[..., 1] == frames[..., 2])
        bright[grey] = frames[grey]
        return bright

    def close(self):
        self._reader = None


def _short(error):
    """decord's message without its source lines and stack."""
    return re.sub(r"\[[\d:]+\] \S+:\d+: |\[[^]]*\](?=You)", "", str(error)).strip().splitlines()[0]
