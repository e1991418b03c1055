"""Opening a video or image file with a reader chosen by name."""

from __future__ import annotations

import logging
import os

from mindone_tae.zoo.errors import UserError, did_you_mean

from .base import UnreadableVideo, VideoReader
from .decord_reader import DecordReader, import_decord
from .image_reader import ImageReader
from .image_sequence import ImageSequenceReader
from .isolated.bounded_reader import BoundedReader
from .pyav_reader import PyAVReader

__all__ = ["IMAGE_SUFFIXES", "READERS", "VIDEO_SUFFIXES", "AutoReader", "UnreadableVideo", "VideoReader", "open_video"]

logger = logging.getLogger(__name__)

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".gif")

READERS = {"decord": DecordReader, "pyav": PyAVReader, "image": ImageReader}


def check_reader_name(reader: str) -> None:
    """Raise UserError for a reader that does not exist or is not installed."""
    if reader not in ("auto", *READERS):
        known = ("auto", *READERS)
        raise UserError(f"reader is '{reader}'; it must be one of {', '.join(known)}{did_you_mean(reader, known)}")
    if reader == "decord" and not _decord_installed():
        raise UserError("reader is 'decord', which is not installed here: use 'auto' or 'pyav', or pip install decord")


def open_video(path: str | os.PathLike, reader: str = "auto", timeout_s: float | None = None) -> VideoReader:
    """Open one file.

    Args:
        path: a video, GIF or image, or a folder of numbered images. Images are read as such whatever the reader's name.
        reader: "decord", "pyav", "image", or "auto": GIFs with PyAV, other videos with decord, and with PyAV where decord
            is not installed or cannot open or read that file.
        timeout_s: seconds that opening, and each reading, may take in a process of its own, which a hang or a crash costs
            and nothing else. None reads in this process, as long as it takes.

    Raises:
        UnreadableVideo: the file cannot be read, or not in time.
        UserError: no such reader, or it is not installed.
    """
    check_reader_name(reader)
    if timeout_s is not None:
        return BoundedReader(path, reader, timeout_s)
    suffix = os.path.splitext(path)[1].lower()
    if os.path.isdir(path):
        return ImageSequenceReader(path, IMAGE_SUFFIXES)
    if suffix in IMAGE_SUFFIXES:
        return READERS["image"](path)
    if reader != "auto":
        return READERS[reader](path)
    if suffix == ".gif" or not _decord_installed():
        return READERS["pyav"](path)
    return AutoReader(path)


class AutoReader(VideoReader):
    """decord for as long as it can read the file, PyAV from then on."""

    def __init__(self, path):
        super().__init__(path)
        try:
            self._use(READERS["decord"](path))
        except UnreadableVideo as error:
            self._use(READERS["pyav"](path))
            logger.debug("PyAV takes over: %s", error)

    def _use(self, reader):
        self._reader, self.fps, self.size = reader, reader.fps, reader.size
        self.name, self.codec, self.keyframes = reader.name, reader.codec, reader.keyframes

    def __len__(self):
        return len(self._reader)

    def _read_sorted(self, indices):
        try:
            return self._reader._read_sorted(indices)
        except UnreadableVideo as error:
            if not isinstance(self._reader, READERS["decord"]):
                raise
            counted = len(self._reader)
            self._reader.close()
            self._use(READERS["pyav"](self.path))
            logger.debug("PyAV takes over: %s", error)
        if len(self) != counted:  # frame numbers already given out would mean other frames
            raise UnreadableVideo(self.path, f"decord counts {counted} frames and cannot read them, PyAV {len(self)}")
        return self._reader._read_sorted(indices)

    def close(self):
        self._reader.close()


def _decord_installed():
    try:
        import_decord()
    except ImportError:
        return False
    return True
