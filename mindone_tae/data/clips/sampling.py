"""The frames of a video that make a clip, and the number of frames of a training step."""

from __future__ import annotations

import numpy as np

from mindone_tae.zoo.errors import UserError, require_one_of, require_within
from mindone_tae.zoo.printable import shown

ALL_FRAMES = -1
# More than an hour.
_MOST_FRAMES = 2**17
MIXED_STRATEGIES = ("mixed_video_image", "mixed_video_random", "image_only")
# A video whose rate is lower than sample_fps by at most this share is taken as it is: 29.97 for 30, 23.976 for 25.
_SLOWER_BY = 0.05
SHORT_VIDEO = ("pingpong", "skip", "bucket")


def frames_needed(clip_frames: int, stride: float) -> int:
    """Frames that a video must have to fill a clip without repetition."""
    return 1 if clip_frames == ALL_FRAMES else int(_steps(clip_frames, stride)[-1]) + 1


def _steps(clip_frames, stride):
    """Frame numbers of a clip relative to its first, rounded where the stride is not a whole number."""
    return np.floor(np.arange(clip_frames) * stride + 0.5).astype(np.int64)


def clip_indices(
    num_frames: int,
    clip_frames: int,
    stride: float,
    rng: np.random.Generator | None = None,
    clip: int = 0,
    clips: int = 1,
) -> np.ndarray:
    """Frame numbers of one clip; a video that is too short is played forwards and backwards from its first frame.

    Args:
        num_frames: in the video.
        clip_frames: wanted; -1 for the whole video.
        stride: every how many frames one is taken, 1 or more.
        rng: draws where the clip starts; None spreads the starts of a video's clips evenly, the first at frame 0.
        clip: which of the video's clips.
        clips: number of clips taken of each video; each draws its start from its own equal share of the video.

    Returns:
        int64 (clip_frames,), each from 0 to num_frames - 1.
    """
    if clip_frames == ALL_FRAMES:
        steps = _steps(int((num_frames - 1) / stride) + 1, stride)
        return steps[steps < num_frames]
    steps = _steps(clip_frames, stride)
    spare = num_frames - frames_needed(clip_frames, stride)
    if spare >= 0:
        if rng is None:
            return steps + (spare * clip // (clips - 1) if clips > 1 else 0)
        first, end = (spare + 1) * clip // clips, (spare + 1) * (clip + 1) // clips
        return steps + int(rng.integers(first, max(end, first + 1)))
    period = max(2 * num_frames - 2, 1)  # 0 1 2 3 2 1, then 0 again
    steps %= period
    return np.minimum(steps, period - steps) if num_frames > 1 else np.zeros_like(steps)


class FrameRate:
    """The stride with which frames of a video are taken.

    Args:
        sample_stride: stride of every video, where sample_fps is None.
        sample_fps: wanted frames a second; None uses sample_stride.

    Raises:
        UserError: one is out of range, or both are given.
    """

    def __init__(self, sample_stride: int = 1, sample_fps: float | None = None):
        require_within(1, _MOST_FRAMES, sample_stride, "sample_stride", "use 1 if unsure")
        if sample_fps is not None and not 0 < sample_fps <= 1000:
            raise UserError(f"sample_fps is {sample_fps}; it must be above 0 and at most 1000, or null: 24 suits most")
        if sample_fps is not None and sample_stride != 1:
            raise UserError(
                f"sample_fps is {sample_fps} and sample_stride is {sample_stride}; only one may choose the frames: "
                "leave sample_stride at 1"
            )
        self._stride, self._fps = sample_stride, sample_fps

    def stride(self, fps: float) -> float:
        """The stride of one video: a whole number, or with sample_fps a fraction whose multiples are rounded.

        Args:
            fps: the video's frames a second, the mean where they vary; 0.0 for images.

        Raises:
            ValueError: the video is slower than sample_fps, so that frames would be repeated.
        """
        if self._fps is None or not fps:
            return self._stride
        if fps < (1 - _SLOWER_BY) * self._fps:
            raise ValueError(f"too slow: {fps:g} fps, and sample_fps {self._fps:g} would show frames twice")
        return max(1.0, fps / self._fps)


class FrameCounts:
    """Draws the number of frames of a step's clips, so that a batch has one shape and compiled graphs stay few.

    Args:
        sample_n_frames: of a video clip; -1 for whole videos.
        strategy: None for sample_n_frames always; "mixed_video_image" for one frame with probability image_ratio;
            "mixed_video_random" for one frame with that probability, else a length drawn uniformly from lengths;
            "image_only" for one frame always.
        image_ratio: in [0, 1].
        lengths: of "mixed_video_random"; None halves sample_n_frames down to 2.

    Raises:
        UserError: one of them is out of its range, or lengths are given to a strategy that draws none.
    """

    def __init__(
        self,
        sample_n_frames: int = 16,
        strategy: str | None = None,
        image_ratio: float = 0.2,
        lengths: list[int] | None = None,
    ):
        if sample_n_frames != ALL_FRAMES:
            require_within(1, _MOST_FRAMES, sample_n_frames, "sample_n_frames", "use 16, or -1 for all frames")
        if strategy is not None:
            remedy = "use null for clips of sample_n_frames alone"
            require_one_of(MIXED_STRATEGIES, strategy, "mixed_strategy", remedy)
        if not 0.0 <= image_ratio <= 1.0:
            raise UserError(f"mixed_image_ratio is {image_ratio}; it is a probability: use 0 to 1, 0.2 as published")
        self.sample_n_frames = sample_n_frames
        self.strategy = strategy
        self.image_ratio = image_ratio
        self.lengths = self._checked_lengths(lengths)

    def _checked_lengths(self, lengths):
        if self.strategy != "mixed_video_random":
            if lengths is not None:
                raise UserError(
                    "mixed_lengths is given; only mixed_strategy 'mixed_video_random' uses it: "
                    "set that, or leave it out"
                )
            return ()
        if lengths is None:
            if self.sample_n_frames == ALL_FRAMES:
                raise UserError(
                    "sample_n_frames is -1 (all) and mixed_strategy 'mixed_video_random' needs lengths to draw from:"
                    " give mixed_lengths, such as [16, 8, 4, 2]"
                )
            lengths = [self.sample_n_frames]
            while lengths[-1] >= 4:
                lengths.append(lengths[-1] // 2)
        if not lengths or not all(type(n) is int and 1 <= n <= _MOST_FRAMES for n in lengths):
            told = f"mixed_lengths is {shown(lengths)}; it must be a list of whole numbers from 1 to {_MOST_FRAMES}"
            raise UserError(f"{told}: such as [16, 8, 4, 2]")
        return tuple(lengths)

    @property
    def default(self) -> int:
        """The count where no step draws one."""
        return 1 if self.strategy == "image_only" else self.sample_n_frames

    @property
    def longest(self) -> int:
        """The largest count that can be drawn; -1 counts as 1, since any video has all its frames."""
        return max(self.default, *self.lengths, 1)

    def draw(self, rng: np.random.Generator) -> int:
        """The count for one step."""
        if self.strategy in (None, "image_only"):
            return self.default
        if rng.random() < self.image_ratio:
            return 1
        if self.strategy == "mixed_video_random":
            return self.lengths[int(rng.integers(len(self.lengths)))]
        return self.sample_n_frames
