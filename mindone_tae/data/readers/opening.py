"""Opening a video or image file with a reader chosen by name."""

from __future__ import annotations

import os

from mindone_tae.zoo.errors import UserError, require_one_of

from .base import VideoReader
from .decord_reader import DecordReader, import_decord
from .image_reader import ImageReader
from .image_sequence import ImageSequenceReader
from .isolated.bounded_reader import MEMORY_MB, BoundedReader
from .pyav_reader import PyAVReader

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".tif", ".tiff", ".apng", ".avif")
VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".f4v", ".mkv", ".webm", ".avi", ".divx", ".ts", ".mts", ".m2ts",
    ".mpg", ".mpeg", ".mpe", ".m2v", ".vob", ".flv", ".wmv", ".asf", ".ogv", ".ogm", ".mxf", ".rm", ".rmvb", ".dv",
    ".nut", ".ivf", ".y4m", ".gif", ".h264", ".264", ".h265", ".265", ".hevc", ".mjpeg", ".mjpg",
)  # fmt: skip

READERS = {"pyav": PyAVReader, "decord": DecordReader, "image": ImageReader}


def check_reader_name(reader: str) -> None:
    """Raise UserError for a reader that does not exist or is not installed."""
    require_one_of(("auto", *READERS), reader, "reader")
    if reader == "decord":
        try:
            import_decord()
        except ImportError:
            remedy = "use 'auto' or 'pyav', or pip install decord"
            raise UserError(f"reader is 'decord', which is not installed here: {remedy}") from None


def open_video(
    path: str | os.PathLike,
    reader: str = "auto",
    timeout_s: float | None = None,
    tone_map: bool = False,
    memory_mb: float | None = MEMORY_MB,
) -> VideoReader:
    """Open one file.

    Args:
        path: a video, GIF or image, or a folder of numbered images. Images are read as such whatever the reader's name,
            and an animated GIF with PyAV whatever its own.
        reader: "pyav", "decord", "image", or "auto": images as such, and videos with PyAV.
        timeout_s: seconds that opening, and each read, may take, in a process of its own, so that a hang or a crash
            loses only that. None reads in this process without a limit.
        tone_map: whether a video's HDR (PQ or HLG) is converted to SDR; otherwise its code values are read as they are,
            as an image's always are.
        memory_mb: most megabytes such a process may take; None for no limit.

    Raises:
        UnreadableVideo: the file cannot be read, or not in time.
        UserError: no such reader, or it is not installed.
    """
    check_reader_name(reader)
    if timeout_s is not None:
        return BoundedReader(path, reader, timeout_s, tone_map=tone_map, memory_mb=memory_mb)
    if os.path.isdir(path):
        return ImageSequenceReader(path, IMAGE_SUFFIXES)
    if reader == "image" or os.path.splitext(path)[1].lower() in IMAGE_SUFFIXES:
        image = ImageReader(path)
        if not image.is_animated_gif:
            return image
        image.close()
        reader = "pyav"
    return PyAVReader(path, tone_map) if reader in ("auto", "pyav") else READERS[reader](path)
