"""The data set `tae_video`: clips of videos and images, as an autoencoder trains on them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

import numpy as np

from mindone_tae.zoo.errors import UserError, did_you_mean

from .clip_sampling import SHORT_VIDEO, FrameCounts, clip_indices, frames_needed
from .collection import read_collection
from .file_check import ClipInfo, inspect_file, inspect_files
from .readers import IMAGE_SUFFIXES, UnreadableVideo, check_reader_name, open_video
from .transforms import crop_box, crop_resize, from_pixels, parse_size

logger = logging.getLogger(__name__)

# Full-size frames held at once while a clip is resized.
_CHUNK_FRAMES = 32


class TAEVideoDataset:
    """Clips from the files of a csv or a folder.

    Every clip of one step has the same number of frames: draw it with `step_choice`, hand it to `sample`. With a size like
    "256px", clips of videos of different aspect ratios differ in size: use a batch of 1, or a fixed size.

    Args:
        csv_path: csv with a header and one file a row; other columns are kept. None searches folder.
        folder: where relative paths start (None: the csv's own folder), or the folder to search for videos and images.
        size: (h, w), one number for a square, or "256px" for the shorter side; multiples of 8.
        sample_n_frames: frames of a clip; -1 for whole videos.
        sample_stride: every how many frames of the video one is taken.
        deterministic_sample: clips start at frame 0; False draws the start.
        random_crop: draw where the crop lies; False takes the centre.
        random_flip: mirror half of the clips left to right.
        video_column: the csv's column of paths.
        reader: "auto", "decord", "pyav" or "image".
        mixed_strategy: None, "mixed_video_image", "mixed_video_random" or "image_only".
        mixed_image_ratio: how often a step of the mixed strategies has one frame, in [0, 1].
        mixed_lengths: the frame counts of "mixed_video_random"; None halves sample_n_frames down to 2.
        short_video: a video with too few frames: "pingpong" plays it forwards and backwards until the clip is full; "skip"
            leaves it out and reports it. Image files are still videos of any length.
        output_columns: what a sample holds: "video", "path", names of csv columns. None gives only "video".
        check_files: open every file now; False finds bad ones when they are drawn.
        num_check_threads: for that.

    Attributes:
        output_columns: list of names, the order of a sample.
        unreadable: list of (path, reason); grows when a file fails later.

    Raises:
        UserError: a keyword out of its range, a missing or empty collection, or no readable file in it.
    """

    def __init__(
        self,
        csv_path: str | None = None,
        folder: str | None = None,
        size: int | str | tuple[int, int] = "256px",
        sample_n_frames: int = 16,
        sample_stride: int = 1,
        deterministic_sample: bool = False,
        random_crop: bool = False,
        random_flip: bool = False,
        video_column: str = "video",
        reader: str = "auto",
        mixed_strategy: str | None = None,
        mixed_image_ratio: float = 0.2,
        mixed_lengths: list[int] | None = None,
        short_video: str = "pingpong",
        output_columns: list[str] | None = None,
        check_files: bool = True,
        num_check_threads: int = 4,
    ):
        check_reader_name(reader)
        if short_video not in SHORT_VIDEO:
            near = did_you_mean(short_video, SHORT_VIDEO)
            raise UserError(f"short_video is '{short_video}'; it must be one of {', '.join(SHORT_VIDEO)}{near}")
        for name, value in (("sample_stride", sample_stride), ("num_check_threads", num_check_threads)):
            if value < 1:
                raise UserError(f"{name} is {value}; it must be 1 or more: use 1 if unsure")
        self._size = parse_size(size)
        self._counts = FrameCounts(sample_n_frames, mixed_strategy, mixed_image_ratio, mixed_lengths)
        self._stride = sample_stride
        self._deterministic, self._random_crop, self._random_flip = deterministic_sample, random_crop, random_flip
        self._reader = reader
        self._short_video = short_video

        self._items = read_collection(csv_path, folder, video_column)
        self.output_columns = self._checked_columns(output_columns)
        self.unreadable: list[tuple[str, str]] = []
        self._bad: set[str] = set()
        self._infos: dict[str, ClipInfo] = {}
        self._lock = threading.Lock()  # guards the three above
        if check_files:
            self._check_files(num_check_threads)

    def _checked_columns(self, output_columns):
        known = ["video", "path", *(name for name in self._items[0].extra if name not in ("video", "path"))]
        columns = ["video"] if output_columns is None else list(output_columns)
        for name in columns:
            if name not in known:
                raise UserError(f"output_columns has '{name}'; there are {', '.join(known)}{did_you_mean(name, known)}")
        if not columns:
            raise UserError("output_columns is empty; it needs at least one name: use [video]")
        return columns

    def _check_files(self, num_threads):
        checked = inspect_files([item.path for item in self._items], self._reader, num_threads)
        for path, found in checked.items():
            bad = found if isinstance(found, UnreadableVideo) else self._too_short(path, found.frames, self._counts.longest)
            if bad is not None:
                self._report(bad)
            else:
                self._infos[path] = found
        self._items = [item for item in self._items if item.path not in self._bad]
        if not self._items:
            raise self._none_left()

    def _none_left(self):
        few = "; ".join(f"{path}: {reason}" for path, reason in self.unreadable[:3])
        more = f"; and {len(self.unreadable) - 3} more" if len(self.unreadable) > 3 else ""
        return UserError(f"no file of the data set can be used: {few}{more}")

    def _report(self, error):
        """Note a bad file, once."""
        with self._lock:
            if error.path in self._bad:
                return
            self._bad.add(error.path)
            self.unreadable.append((error.path, error.reason))
        logger.warning("left out: %s", error)

    def _too_short(self, path, num_frames, clip_frames):
        """The error for a video that "skip" leaves out, else None."""
        needed = frames_needed(clip_frames, self._stride)
        if self._short_video != "skip" or num_frames >= needed or path.lower().endswith(IMAGE_SUFFIXES):
            return None
        return UnreadableVideo(path, f"too short: {num_frames} frames, and a clip needs {needed} (short_video: skip)")

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        """The sample that belongs to an index, the same every time."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        index %= len(self)
        return self.sample(index, np.random.default_rng(index))

    def step_choice(self, rng: np.random.Generator) -> int:
        """Draw the number of frames of one step, for `sample`."""
        return self._counts.draw(rng)

    def sample(self, index: int, rng: np.random.Generator, choice: int | None = None) -> tuple[np.ndarray, ...]:
        """Draw one sample. Loader threads may call this at the same time.

        A file that cannot be read is reported, and the next readable one in order takes its place.

        Args:
            index: from 0 to len - 1.
            rng: all randomness comes from here; exactly one number is drawn from it, whatever happens.
            choice: frames of the clip, from `step_choice`; None takes sample_n_frames (1 for "image_only").

        Returns:
            Arrays in the order of output_columns; "video" is float32 (c, t, h, w) in [-1, 1], the others are strings.

        Raises:
            UserError: no readable file is left.
        """
        clip_frames = self._counts.default if choice is None else choice
        seed = int(rng.integers(2**63))
        while True:
            item = self._readable_item(index)
            try:
                video = self._clip(item.path, clip_frames, np.random.default_rng(seed)) if "video" in self.output_columns else None
            except UnreadableVideo as error:
                self._report(error)
                continue
            return tuple(
                video if name == "video" else np.asarray(item.path if name == "path" else item.extra[name])
                for name in self.output_columns
            )

    def _readable_item(self, index):
        """The item of an index, or the next one in order whose file is not known to be bad."""
        for offset in range(len(self._items)):
            item = self._items[(index + offset) % len(self._items)]
            if item.path not in self._bad:
                return item
        raise self._none_left()

    def _clip(self, path, clip_frames, rng):
        """One clip of a file, float32 (c, t, h, w)."""
        with open_video(path, self._reader) as reader:
            too_short = self._too_short(path, len(reader), clip_frames)
            if too_short is not None:
                raise too_short
            indices = clip_indices(len(reader), clip_frames, self._stride, None if self._deterministic else rng)
            size = self._size.of(*reader.size)
            box = crop_box(*reader.size, size, rng if self._random_crop else None)
            flipped = self._random_flip and rng.random() < 0.5
            frames = self._resized(reader, indices, size, box)
        return from_pixels(frames[:, :, ::-1] if flipped else frames)

    def stream(self, index: int, chunk_frames: int = 16):
        """The clip of an index in chunks, without holding it whole: from frame 0, the centre crop, unflipped.

        Args:
            index: from 0 to len - 1.
            chunk_frames: at most so many frames at a time.

        Yields:
            float32 (c, t_chunk, h, w) in [-1, 1]; together sample_n_frames, or the whole video for -1.

        Raises:
            UnreadableVideo: the file cannot be read (any more).
        """
        item = self._readable_item(index)
        with open_video(item.path, self._reader) as reader:
            indices = clip_indices(len(reader), self._counts.default, self._stride)
            size = self._size.of(*reader.size)
            box = crop_box(*reader.size, size)
            for start in range(0, len(indices), chunk_frames):
                yield from_pixels(self._resized(reader, indices[start : start + chunk_frames], size, box))

    def clip_frames(self, index: int) -> int:
        """How many frames `stream` gives."""
        return len(clip_indices(self.describe(index)["frames"], self._counts.default, self._stride))

    def _resized(self, reader, indices: Sequence[int], size, box):
        """Frames at the wanted size, each distinct one read once; uint8 (t, h, w, 3)."""
        distinct, positions = np.unique(indices, return_inverse=True)
        chunks = [distinct[start : start + _CHUNK_FRAMES] for start in range(0, len(distinct), _CHUNK_FRAMES)]
        return np.concatenate([crop_resize(reader.read(chunk), size, box) for chunk in chunks])[positions]

    def describe(self, index: int) -> dict:
        """What `self[index]` is taken from: path, relative_path, frames, fps, size (h, w), and the csv's other columns.

        Once a file turned out bad, this tells of the one that takes its place, as `self[index]` does.
        """
        while True:
            item = self._readable_item(index)
            try:
                info = self._infos.get(item.path) or inspect_file(item.path, self._reader)
            except UnreadableVideo as error:
                self._report(error)
                continue
            with self._lock:
                self._infos[item.path] = info
            found = {"path": item.path, "relative_path": item.relative_path, **vars(info)}
            return {**item.extra, **found}
