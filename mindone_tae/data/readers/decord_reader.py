"""Reading video with decord."""

from __future__ import annotations

import math
import re

from .base import UnreadableVideo, VideoReader
from .packet_index import index_packets
from .pyav_reader import open_container

# Several loader threads each hold a reader, so one reader takes few.
_DECODE_THREADS = 2
# decord fills a frame it cannot decode with a copy of a neighbour, and tells only beyond this share of all frames.
_COPIES_ALLOWED = 1e-9
# FFmpeg's names of containers without an index of display times, where decord's seeking gives other frames than asked for.
_MISNUMBERED = ("avi", "mpeg", "mpegts")
# Matroska keeps the rotation in an element that starts with these bytes, before the first frame's cluster; decord ignores it.
_PROJECTION, _CLUSTER = b"\x76\x70", b"\x1f\x43\xb6\x75"
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
    """Frames by number from decord. Open one a file and close it after use: decord keeps memory for as long as it lives.

    decord knows the rotation in .mp4 and .mov; a .mkv or .webm that may be rotated is left to PyAV.
    """

    name = "decord"

    def __init__(self, path):
        super().__init__(path)
        decord = import_decord()
        # decord writes to stderr and gives no reason for what is not a video; PyAV is quiet and says why.
        container, stream = open_container(self.path)
        with container:
            form, self.codec = container.format.name, stream.codec_context.codec.canonical_name
            index = index_packets(self.path, container, stream)
            sides = sorted((stream.codec_context.height, stream.codec_context.width))
        if form in _MISNUMBERED:
            raise UnreadableVideo(self.path, f"decord gives wrong frames of {form} files: use reader auto or pyav")
        if not index.even_delay:
            raise UnreadableVideo(self.path, "decord gives wrong frames where keyframes are delayed unevenly: use reader auto or pyav")
        if "matroska" in form and self._may_be_rotated():
            raise UnreadableVideo(self.path, "decord ignores the rotation of matroska files: use reader auto or pyav")
        try:
            self._reader = decord.VideoReader(
                self.path, ctx=decord.cpu(0), num_threads=_DECODE_THREADS, fault_tol=_COPIES_ALLOWED
            )
            self._count = len(self._reader)
            fps = float(self._reader.get_avg_fps())
            self.size = self._reader.get_batch([0]).shape[1:3]
        except Exception as error:  # decord raises its own errors, RuntimeError and AssertionError
            raise UnreadableVideo(self.path, f"decord cannot open it: {_short(error)}") from error
        if self._count != index.count:  # decord misnumbers the frames where an edit list hides some
            raise UnreadableVideo(self.path, f"decord counts {self._count} frames of {index.count}: use reader auto or pyav")
        if sorted(self.size) != sides:
            raise UnreadableVideo(self.path, "decord takes another of its video streams: use reader auto or pyav")
        self.keyframes = index.keyframes
        self.fps = fps if math.isfinite(fps) else 0.0

    def _may_be_rotated(self):
        with open(self.path, "rb") as file:
            return _PROJECTION in file.read(_HEAD_BYTES).partition(_CLUSTER)[0]

    def __len__(self):
        return self._count

    def _read_sorted(self, indices):
        if self._reader is None:
            raise ValueError(f"{self.path} was closed: open it again to read")
        try:
            return self._reader.get_batch(list(indices)).asnumpy()
        except Exception as error:
            raise UnreadableVideo(self.path, f"decord cannot read it: {_short(error)}") from error

    def close(self):
        self._reader = None


def _short(error):
    """decord's message without its source lines and stack."""
    return re.sub(r"\[[\d:]+\] \S+:\d+: |\[[^]]*\](?=You)", "", str(error)).strip().splitlines()[0]
