"""The files that suit a step: of high enough frame rate, long enough for its clips, of one aspect ratio."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mindone_tae.zoo.errors import UserError, require_one_of

from ..files.inspection import HDR, ClipInfo, hdr_refusal
from ..readers.base import UnreadableVideo
from ..transforms import parse_size
from .sampling import SHORT_VIDEO, FrameRate, frames_needed


class Suitable:
    """Whether a file can give the clips that are wanted.

    Args:
        rate: how its frames are taken.
        short_video: what becomes of videos with too few frames.
        hdr: what becomes of HDR.

    Raises:
        UserError: no such way.
    """

    def __init__(self, rate: FrameRate, short_video: str, hdr: str = "refuse"):
        require_one_of(HDR, hdr, "hdr")
        require_one_of(SHORT_VIDEO, short_video, "short_video")
        self._rate, self._skips, self._hdr = rate, short_video == "skip", hdr
        self.by_length = short_video == "bucket"

    def long_enough(self, info: ClipInfo, clip_frames: int) -> bool:
        """Whether a file fills a clip; a still image fills any."""
        still = info.reader == "image" and info.frames == 1
        return still or info.frames >= frames_needed(clip_frames, self._rate.stride(info.fps))

    def check(self, path: str, info: ClipInfo, clip_frames: int) -> None:
        """Raises UnreadableVideo for a file that is left out."""
        reason = hdr_refusal(info, self._hdr)
        if reason:
            raise UnreadableVideo(path, reason)
        try:
            stride = self._rate.stride(info.fps)
        except ValueError as error:
            raise UnreadableVideo(path, str(error)) from None
        if self._skips and not self.long_enough(info, clip_frames):
            told = f"{info.frames} frames, and a clip needs {frames_needed(clip_frames, stride)} (short_video: skip)"
            raise UnreadableVideo(path, f"too short: {told}")


class ClipSizes:
    """The sizes of clips.

    Args:
        size: see `parse_size`.
        size_buckets: sizes (h, w) in place of size, of which a clip has the one nearest in aspect ratio; or None.

    Attributes:
        buckets: list of (h, w), or None.

    Raises:
        UserError: an invalid size, no bucket, or one twice.
    """

    def __init__(self, size: int | str | tuple[int, int], size_buckets: list[list[int]] | None = None):
        self._size = parse_size(size)
        self.buckets = None if size_buckets is None else [parse_size(bucket).fixed for bucket in size_buckets]
        if size_buckets is not None and (
            not self.buckets or None in self.buckets or len(set(self.buckets)) < len(self.buckets)
        ):
            raise UserError(
                f"size_buckets is {size_buckets}; it must list different sizes: "
                "such as [[256, 256], [192, 320], [320, 192]]"
            )

    def of(self, source: tuple[int, int], bucket: int | None = None) -> tuple[int, int]:
        """The (h, w) of a clip from a source of this size, in its own bucket where the step names none."""
        if self.buckets is None:
            return self._size.of(*source)
        return self.buckets[nearest_bucket(source, self.buckets) if bucket is None else bucket]


def nearest_bucket(size: tuple[int, int], buckets: list[tuple[int, int]]) -> int:
    """Index of the bucket nearest to a source in aspect ratio, by the factor between them; ties go to nearest area."""
    ratio, area = math.log(size[1] / size[0]), math.log(size[0] * size[1])
    distances = [(round(abs(math.log(w / h) - ratio), 9), abs(math.log(h * w) - area)) for h, w in buckets]
    return min(range(len(buckets)), key=distances.__getitem__)


class Buckets:
    """Positions of a FileList's files by aspect ratio and length, fixed once, so that a step's draw is reproducible.

    Args:
        infos: of the files, in order.
        sizes: (h, w) of the buckets; None puts all files in one.
        fits: whether a file's clips can have so many frames; None takes any file for any length.
    """

    def __init__(
        self, infos: list[ClipInfo], sizes: list[tuple[int, int]] | None, fits: Callable[[ClipInfo, int], bool] | None
    ):
        self._infos, self._fits = infos, fits
        self.bucket_of = np.array([nearest_bucket(info.size, sizes) if sizes else 0 for info in infos])
        self._count = len(sizes) if sizes else 1
        self._members: dict[tuple[int, int], np.ndarray] = {}

    def members(self, clip_frames: int, bucket: int) -> np.ndarray:
        """Positions of the bucket's files that are long enough; all of the bucket where none is."""
        key = clip_frames, bucket
        if key not in self._members:
            positions = np.flatnonzero(self.bucket_of == bucket)
            if self._fits is not None:
                long_enough = [position for position in positions if self._fits(self._infos[position], clip_frames)]
                positions = np.array(long_enough, positions.dtype) if long_enough else positions
            self._members[key] = positions
        return self._members[key]

    def draw(self, clip_frames: int, rng: np.random.Generator) -> int:
        """A bucket for one step, each as often as it has files that are long enough."""
        chances = np.array([len(self.members(clip_frames, bucket)) for bucket in range(self._count)], float)
        return int(rng.choice(self._count, p=chances / chances.sum()))
