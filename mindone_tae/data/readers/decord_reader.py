"""Reading video with decord, limited to the files on which it is exact."""

from __future__ import annotations

import os
import re

import numpy as np

from .base import UnreadableVideo, VideoReader
from .container import open_container
from .packet_index import index_frames

# decord fills a frame it cannot decode with a copy of a neighbour, and reports it only above this share of all frames.
_COPIES_ALLOWED = 1e-9
# FFmpeg's names of containers from which decord gives the frames asked for.
_CONTAINERS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")
# Levels by which swscale's fast conversion darkens red, green and blue of these formats, about the same on any picture.
_DARKENS = {"yuv420p": (1, 2, 1), "yuvj420p": (1, 1, 0)}
# Matroska keeps the rotation, which decord ignores, in an element before the first frame's cluster: its ID, its size,
# perhaps a checksum, and the ID of one of its parts. The first ID alone also occurs in random identifiers.
_PROJECTION, _CLUSTER = re.compile(rb"\x76\x70.{1,14}?\x76[\x71-\x75]", re.DOTALL), b"\x1f\x43\xb6\x75"
_HEAD_BYTES = 65536


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
    amount. Other files are refused, for PyAV to read.
    """

    name = "decord"

    def __init__(self, path: str | os.PathLike):
        super().__init__(path)
        decord = import_decord()
        index = index_frames(self.path)
        container, stream = open_container(self.path)
        with container:
            self._check(container, stream, index)
            self.codec = stream.codec_context.codec.canonical_name
            self._darker = np.array(_DARKENS[stream.codec_context.pix_fmt], np.uint8)
            sides = sorted((stream.codec_context.height, stream.codec_context.width))
        try:
            self._reader = decord.VideoReader(self.path, ctx=decord.cpu(0), num_threads=2, fault_tol=_COPIES_ALLOWED)
            self._count = len(self._reader)
            self.size = self._reader.get_batch([0]).shape[1:3]
        except Exception as error:  # decord raises its own errors, RuntimeError and AssertionError
            raise UnreadableVideo(self.path, f"decord cannot open it: {_short(error)}") from error
        if self._count != index.count:  # decord misnumbers the frames where an edit list hides some
            raise self._left(f"counts {self._count} frames of {index.count}")
        if sorted(self.size) != sides:
            raise self._left("takes another of its video streams")
        self.keyframes, self.fps = index.keyframes, index.fps

    def _check(self, container, stream, index):
        form = container.format.name
        if form not in _CONTAINERS:
            raise self._left(f"gives wrong frames of {form} files")
        if not index.simple:
            raise self._left(
                "gives wrong frames where keyframes are delayed unevenly or follow frames shown after them"
            )
        if stream.codec_context.pix_fmt not in _DARKENS:
            raise self._left(f"gives wrong colours of {stream.codec_context.pix_fmt}")
        if "matroska" in form and self._may_be_rotated():
            raise self._left("ignores the rotation of matroska files")

    def _left(self, what):
        return UnreadableVideo(self.path, f"decord {what}: use reader auto or pyav")

    def _may_be_rotated(self):
        with open(self.path, "rb") as file:
            return _PROJECTION.search(file.read(_HEAD_BYTES).partition(_CLUSTER)[0]) is not None

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
