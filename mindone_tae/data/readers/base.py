"""The interface of all readers of one video file, and the one error that they raise."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence

import numpy as np

from mindone_tae.zoo.errors import UserError

from ..transforms import crop_resize

# Transfer characteristics of high dynamic range, whose code values mean other light than those of SDR.
HDR_TRANSFERS = ("pq", "hlg")
# Frames read at once while streaming: enough to keep a decoder busy, 11 MB at 640x480.
_STREAM_FRAMES = 12
# Most full-size frames, and most bytes of them, held at once while they are resized.
_CHUNK_FRAMES = 32
_CHUNK_BYTES = 2**28


class UnreadableVideo(UserError):
    """A file that gives no frames, with one short reason.

    Args:
        path: the file.
        reason: what is wrong with it, in a few words.
    """

    def __init__(self, path: str, reason: str):
        super().__init__(f"{path}: {reason}")
        self.path = str(path)
        self.reason = reason

    def __reduce__(self):
        return type(self), (self.path, self.reason)  # crosses process borders


class VideoReader:
    """Frames of one file by number; a context manager.

    Frames are upright: rotation in the file's metadata is applied. Pixels are taken as square, and interlaced frames as
    they are stored. Of several video streams, the one of most bits a second is read.

    Attributes:
        path: the file.
        fps: mean frames a second by the frames' timestamps, 0.0 for images.
        fps_is_guess: the file has no timestamps, and the rate is FFmpeg's guess.
        size: (h, w) in pixels, after rotation.
        codec: of the frames, by FFmpeg's or Pillow's name.
        transfer: transfer characteristic of the code values, such as "bt709", "pq" and "hlg" (both HDR); empty where
            the file names none.
        name: of the reader, as `open_video` takes it.
        keyframes: numbers of the frames that can be decoded alone, rising; empty where unknown, or where all can.
    """

    name: str = ""
    codec: str = ""
    transfer: str = ""
    fps: float = 0.0
    fps_is_guess: bool = False
    size: tuple[int, int] = (0, 0)
    keyframes: Sequence[int] = ()

    def __init__(self, path: str | os.PathLike):
        """Check the file itself.

        Raises:
            UnreadableVideo: it is missing, a folder, not allowed, or has no bytes.
        """
        self.path = os.fspath(path)
        if not os.path.exists(self.path):
            raise UnreadableVideo(self.path, "no such file")
        if not os.path.isfile(self.path):
            raise UnreadableVideo(self.path, "not a file")
        if not os.access(self.path, os.R_OK):
            raise UnreadableVideo(self.path, "permission denied")
        if os.path.getsize(self.path) == 0:
            raise UnreadableVideo(self.path, "0 bytes")

    def __len__(self) -> int:
        raise NotImplementedError

    def _read_sorted(self, indices: Sequence[int]) -> np.ndarray:
        """Frames at these rising, distinct, valid numbers: uint8 (t, h, w, 3)."""
        raise NotImplementedError

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """Frames by number, in the order asked for; a number may come more than once.

        Args:
            indices: frame numbers from 0 to len - 1.

        Returns:
            uint8 (t, h, w, 3), RGB.

        Raises:
            IndexError: a number outside the video.
            UnreadableVideo: a frame cannot be decoded.
        """
        indices = self._valid(indices)
        if not indices.size:
            return np.empty((0, *self.size, 3), np.uint8)
        distinct, positions = np.unique(indices, return_inverse=True)
        frames = self._read_sorted(distinct.tolist())
        if len(distinct) == len(indices) and np.array_equal(distinct, indices):
            return frames
        return frames[positions]

    def read_resized(
        self, indices: Sequence[int], size: tuple[int, int], box: tuple[float, float, float, float]
    ) -> np.ndarray:
        """Frames by number, the same box cut out of each and resized; decodes each once, few at full size in memory.

        Args:
            indices: as for `read`.
            size: wanted (h, w).
            box: (left, top, right, bottom) in source pixels.

        Returns:
            uint8 (t, *size, 3), RGB.

        Raises:
            IndexError: a number outside the video.
            UnreadableVideo: a frame cannot be decoded.
        """
        distinct, positions = np.unique(self._valid(indices), return_inverse=True)
        step = max(1, min(_CHUNK_FRAMES, _CHUNK_BYTES // (3 * self.size[0] * self.size[1])))
        resized = np.empty((len(distinct), *size, 3), np.uint8)
        for start in range(0, len(distinct), step):
            chunk = distinct[start : start + step]
            resized[start : start + len(chunk)] = crop_resize(self._read_sorted(chunk.tolist()), size, box)
        return resized[positions.reshape(-1)]

    def _valid(self, indices):
        """Frame numbers as int64 (t,)."""
        indices = np.asarray(indices, dtype=np.int64).reshape(-1)
        outside = indices[(indices < 0) | (indices >= len(self))]
        if outside.size:
            raise IndexError(f"frame {outside[0]} is outside {self.path}, which has frames 0 to {len(self) - 1}")
        return indices

    def stretch(self, first: int, last: int) -> tuple[int, int]:
        """The stretch between keyframes that has to be decoded for some frames.

        Args:
            first: frame number.
            last: frame number, not below first.

        Returns:
            The number of the last keyframe up to first, and of the first one after last (or the count of frames);
            first and last + 1 where keyframes are unknown.
        """
        before, after = bisect_right(self.keyframes, first), bisect_right(self.keyframes, last)
        if not before:
            return first, last + 1
        return self.keyframes[before - 1], self.keyframes[after] if after < len(self.keyframes) else len(self)

    def frames(self) -> Iterator[np.ndarray]:
        """All frames in order, uint8 (h, w, 3) RGB each, a few in memory at a time.

        Raises:
            UnreadableVideo: a frame cannot be decoded.
        """
        for start in range(0, len(self), _STREAM_FRAMES):
            yield from self._read_sorted(range(start, min(start + _STREAM_FRAMES, len(self))))

    def close(self) -> None:
        """Close the file; closing twice is harmless."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
