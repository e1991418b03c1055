"""Opens a file to learn its length and size, and whether it can be decoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..readers.base import HDR_TRANSFERS, VideoReader
from ..readers.isolated.bounded_reader import MEMORY_MB
from ..readers.opening import open_video

# HDR files are left out, or converted to SDR.
HDR = ("refuse", "tonemap")
# Only a corner of the frame is kept: the check is of decoding.
_CORNER = (8, 8)
_CHUNK_FRAMES = 64


@dataclass(frozen=True)
class ClipInfo:
    """Facts of a readable file.

    Attributes:
        frames: count.
        fps: frames a second, 0.0 for images.
        size: (h, w) in pixels.
        codec: of the frames.
        reader: that read it.
        fps_is_guess: whether the file has no timestamps that say the rate.
        transfer: characteristic of its code values, see `VideoReader`.
        file_bytes: its size when a manifest was written; 0 where the facts are not from one.
    """

    frames: int
    fps: float
    size: tuple[int, int]
    codec: str = ""
    reader: str = ""
    fps_is_guess: bool = False
    transfer: str = ""
    file_bytes: int = 0

    @property
    def duration_s(self) -> float:
        """Seconds, 0.0 for images."""
        return self.frames / self.fps if self.fps else 0.0


def info_of(video: VideoReader) -> ClipInfo:
    """The ClipInfo of an open file."""
    return ClipInfo(
        len(video), video.fps, tuple(video.size), video.codec, video.name, video.fps_is_guess, video.transfer
    )


def hdr_refusal(info: ClipInfo, hdr: str) -> str:
    """Why a file is left out for its high dynamic range, "" where it is not."""
    if info.transfer not in HDR_TRANSFERS:
        return ""
    if info.reader in ("image", "images"):
        return f"high dynamic range ({info.transfer}) of an image, which hdr does not convert: save it as SDR"
    return "" if hdr == "tonemap" else f"high dynamic range ({info.transfer}): left out unless hdr is tonemap"


def inspect_file(
    path: str,
    reader: str = "auto",
    timeout_s: float | None = None,
    depth: str = "first",
    memory_mb: float | None = MEMORY_MB,
) -> ClipInfo:
    """Open a file and decode some of its frames.

    Args:
        path: the file.
        reader: see `open_video`.
        timeout_s: see `open_video`.
        depth: frames to decode: "first"; "ends" for the first, middle and last ones; or "all".
        memory_mb: see `open_video`.

    Raises:
        UnreadableVideo: it cannot be done.
    """
    with open_video(path, reader, timeout_s, memory_mb=memory_mb) as video:
        box = (0, 0, min(_CORNER[1], video.size[1]), min(_CORNER[0], video.size[0]))
        for numbers in _numbers(len(video), depth):
            video.read_resized(numbers, _CORNER, box)
        return info_of(video)


def _numbers(frames: int, depth: str) -> Iterator[list[int]]:
    """Frame numbers to decode, in groups for one reading each."""
    if depth == "first":
        yield [0]
    elif depth == "ends":
        yield sorted({0, frames // 2, max(0, frames - 2), frames - 1})
    else:
        for start in range(0, frames, _CHUNK_FRAMES):
            yield list(range(start, min(start + _CHUNK_FRAMES, frames)))
