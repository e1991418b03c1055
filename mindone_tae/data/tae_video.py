"""The data set `tae_video`: clips of videos and images, as an autoencoder trains on them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mindone_tae.zoo.errors import UserError, did_you_mean, require_within

from .clips.augmentation import Augmentation
from .clips.buckets import Buckets, ClipSizes, Suitable
from .clips.file_list import FileList
from .clips.sampling import FrameCounts, FrameRate, clip_indices, frames_needed
from .files.collection import read_collection
from .files.inspection import info_of
from .files.manifest import known_items
from .readers.isolated.bounded_reader import MEMORY_MB
from .readers.opening import check_reader_name
from .transforms import crop, from_pixels


class TAEVideoDataset:
    """Clips from the files of a table or a folder.

    All clips of a step have the same number of frames: draw it with `step_choice` and pass it to `sample`. With a size
    like "256px", clips of videos of different aspect ratios differ in size: use a batch of 1, a fixed size, or
    size_buckets.

    Args:
        csv_path: table of one file a row: csv or tsv with a header, jsonl, parquet; other columns are kept. None
            searches folder.
        folder: where relative paths start (None: the table's own folder), or the folder to search for videos and
            images; without a table also one file, or a list of files and folders.
        size: (h, w), one number for a square, or "256px" for the shorter side; multiples of 8.
        sample_n_frames: frames of a clip; -1 for whole videos.
        sample_stride: take every sample_stride-th frame of the video.
        deterministic_sample: clips start at frame 0 (several of a video spread evenly); False draws the start.
        random_crop: draw the place of the crop; False takes the centre.
        random_flip: mirror half of the clips left to right.
        video_column: the table's column of paths.
        reader: "auto" (PyAV), "pyav", "decord" or "image".
        mixed_strategy: None, "mixed_video_image", "mixed_video_random" or "image_only".
        mixed_image_ratio: probability that a step of the mixed strategies has one frame, in [0, 1].
        mixed_lengths: the frame counts of "mixed_video_random"; None halves sample_n_frames down to 2.
        short_video: a video with too few frames: "pingpong" plays it forwards and backwards until the clip is full;
            "skip" leaves it out and reports it; "bucket" takes it only for steps whose clips it fills, unless no file
            fills them. Image files count as still videos of any length.
        output_columns: what a sample holds: "video", "path", names of csv columns. None gives only "video".
        check_files: open every file now; False finds bad ones when they are drawn.
        num_check_threads: threads that check_files uses.
        sample_fps: frames a second of a clip, by each video's own rate, instead of sample_stride; slower videos are
            left out.
        clips_per_video: samples that each file counts as.
        size_buckets: sizes (h, w) in place of size: each clip has the one nearest in aspect ratio, and all clips of a
            step the same.
        manifest_path: table written by `mindone-tae check-data`: no file is opened to learn its length and size, and
            bad ones are left out. Replaces check_files, and csv_path where that is None.
        allow_outside: whether absolute paths and links may lead out of the folder; None allows absolute paths where no
            folder is given, and no links.
        read_timeout_s: seconds that opening and each read may take, in processes that are killed when the time is over;
            None reads in this process without a limit.
        read_memory_mb: most megabytes each of these processes may take, so that no file can fill the machine's memory;
            None sets no limit.
        cache_mb: megabytes of memory for resized frames, which are then decoded once and not at every draw; 0 keeps
            none. It does not change samples.
        hdr: videos of high dynamic range (PQ, HLG): "refuse" leaves them out and reports them, "tonemap" converts them
            to SDR.
        augment_exposure: most stops by which each clip's exposure changes, drawn uniformly, see `Augmentation`; 0 for
            no change, here and in the four below.
        augment_contrast: most relative change of the distance from middle grey.
        augment_gamma: most change of the exponent, as a power of two.
        augment_hue: most degrees by which colours turn about grey.
        augment_saturation: most relative change of the distance from grey.
        augment_scales: factors by which the frame is larger than the smallest that holds the crop, one drawn for each
            clip; with random_crop.
        augment_speeds: factors of the stride, one drawn for each clip.

    Attributes:
        output_columns: list of names, the order of a sample.

    Raises:
        UserError: a keyword out of its range, a missing or empty collection, or no readable file in it.
    """

    def __init__(
        self,
        csv_path: str | None = None,
        folder: str | list[str] | None = None,
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
        sample_fps: float | None = None,
        clips_per_video: int = 1,
        size_buckets: list[list[int]] | None = None,
        manifest_path: str | None = None,
        allow_outside: bool | None = None,
        read_timeout_s: float | None = 60.0,
        read_memory_mb: float | None = MEMORY_MB,
        cache_mb: float = 256.0,
        hdr: str = "refuse",
        augment_exposure: float = 0.0,
        augment_contrast: float = 0.0,
        augment_gamma: float = 0.0,
        augment_hue: float = 0.0,
        augment_saturation: float = 0.0,
        augment_scales: list[float] | None = None,
        augment_speeds: list[int] | None = None,
    ):
        check_reader_name(reader)
        require_within(1, 1024, num_check_threads, "num_check_threads", "use 1 if unsure")
        require_within(1, 10**6, clips_per_video, "clips_per_video", "use 1 if unsure")
        require_within(0, 2**20, cache_mb, "cache_mb", "use 256 megabytes, or 0 to keep no frames")
        if read_timeout_s is not None:
            require_within(0.001, 86400, read_timeout_s, "read_timeout_s", "use 60 seconds, or null for no limit")
        if read_memory_mb is not None:
            remedy = f"use {MEMORY_MB:g} megabytes, or null for no limit"
            require_within(256, 2**20, read_memory_mb, "read_memory_mb", remedy)
        self._sizes = ClipSizes(size, size_buckets)
        self._counts = FrameCounts(sample_n_frames, mixed_strategy, mixed_image_ratio, mixed_lengths)
        self._rate = FrameRate(sample_stride, sample_fps)
        self._suitable = Suitable(self._rate, short_video, hdr)
        self._deterministic, self._random_crop, self._random_flip = deterministic_sample, random_crop, random_flip
        self._augmentation = Augmentation(
            augment_exposure,
            augment_contrast,
            augment_gamma,
            augment_hue,
            augment_saturation,
            tuple(augment_scales or (1.0,)),
            tuple(augment_speeds or (1,)),
        )
        self._clips_per_video = clips_per_video
        where = csv_path, folder, video_column, allow_outside
        items, found = (
            known_items(manifest_path, *where) if manifest_path is not None else (read_collection(*where), None)
        )
        self._files = FileList(items, reader, read_timeout_s, cache_mb, hdr == "tonemap", read_memory_mb)
        self.output_columns = self._checked_columns(output_columns)
        found = self._files.check(num_check_threads) if found is None and check_files else found
        if found is not None:
            self._files.learn(found, lambda path, info: self._suitable.check(path, info, self._counts.longest))
        self._buckets = self._made_buckets(found is not None)

    def _checked_columns(self, output_columns):
        known = ["video", "path", *(name for name in self._files.items[0].extra if name not in ("video", "path"))]
        columns = ["video"] if output_columns is None else list(output_columns)
        for name in columns:
            if name not in known:
                raise UserError(f"output_columns has '{name}'; there are {', '.join(known)}{did_you_mean(name, known)}")
        if not columns:
            raise UserError("output_columns is empty; it needs at least one name: use [video]")
        return columns

    def _made_buckets(self, checked):
        if self._sizes.buckets is None and not self._suitable.by_length:
            return None  # any file suits any step
        if not checked:
            what = "size_buckets" if self._sizes.buckets else "short_video 'bucket'"
            raise UserError(
                f"{what} needs every file's size and length, and check_files is false: "
                "give manifest_path, or set check_files to true"
            )
        infos = [self._files.known(item) for item in self._files.items]
        return Buckets(infos, self._sizes.buckets, self._suitable.long_enough if self._suitable.by_length else None)

    @property
    def unreadable(self) -> list[tuple[str, str]]:
        """(path, reason) of the files that are left out; grows when a file fails later."""
        return self._files.unreadable

    def __len__(self) -> int:
        return len(self._files.items) * self._clips_per_video

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        """The sample that belongs to an index, the same every time."""
        index = range(len(self))[index]  # counts negative ones from the end
        return self.sample(index, np.random.default_rng(index))

    def step_choice(self, rng: np.random.Generator) -> int | tuple[int, int]:
        """Draw a step's number of frames, and with size_buckets its bucket, for `sample`."""
        clip_frames = self._counts.draw(rng)
        return clip_frames if self._sizes.buckets is None else (clip_frames, self._buckets.draw(clip_frames, rng))

    def sample(
        self, index: int, rng: np.random.Generator, choice: int | tuple[int, int] | None = None
    ) -> tuple[np.ndarray, ...]:
        """Draw one sample. Thread-safe, for loaders.

        A file that cannot be read is reported and replaced by the next readable one in order. A file too short for the
        step, or of another bucket, is replaced by one drawn from those that suit.

        Args:
            index: from 0 to len - 1.
            rng: all randomness comes from here; exactly one number is drawn from it in every case.
            choice: from `step_choice`; None takes sample_n_frames (1 for "image_only"), and the file's own bucket.

        Returns:
            Arrays in the order of output_columns; "video" is float32 (c, t, h, w) in [-1, 1], the others are strings.

        Raises:
            UserError: no readable file is left.
        """
        clip_frames, bucket = choice if isinstance(choice, tuple) else (choice, None)
        seed = int(rng.integers(2**63))
        position, clip = divmod(index, self._clips_per_video)
        among = None
        if self._buckets is not None and clip_frames is not None:
            among = self._buckets.members(clip_frames, bucket or 0)
            place = int(np.searchsorted(among, position))
            if place == len(among) or among[place] != position:
                place = int(np.random.default_rng([seed, 1]).integers(len(among)))
            position = place

        def clip_of(item):
            wanted = clip_frames or self._counts.default, clip, bucket
            return self._clip(item, *wanted, np.random.default_rng(seed)) if "video" in self.output_columns else None

        item, video = self._files.first_good(clip_of, position, among)
        return tuple(
            video if name == "video" else np.asarray(item.path if name == "path" else item.extra[name])
            for name in self.output_columns
        )

    def _clip(self, item, clip_frames, clip, bucket, rng):
        """One clip of a file, float32 (c, t, h, w)."""
        starts = None if self._deterministic else rng
        with self._files.open_kept(item, stretches=starts is not None) as reader:
            self._suitable.check(item.path, info_of(reader), clip_frames)
            stride = self._rate.stride(reader.fps)
            stride *= self._augmentation.draw_speed(
                rng, lambda speed: frames_needed(clip_frames, stride * speed) <= len(reader)
            )
            indices = clip_indices(len(reader), clip_frames, stride, starts, clip, self._clips_per_video)
            scale = self._augmentation.draw_scale(rng)
            part = crop(*reader.size, self._sizes.of(reader.size, bucket), rng if self._random_crop else None, scale)
            flipped = self._random_flip and rng.random() < 0.5
            frames = part.cut(reader.read_resized(indices, part.resized, part.box))
        return self._augmentation.colour(from_pixels(frames[:, :, ::-1] if flipped else frames), rng)

    def stream(self, index: int, chunk_frames: int = 16) -> Iterator[np.ndarray]:
        """The clip of an index in chunks, without holding it whole: from frame 0, the centre crop, unflipped.

        Args:
            index: from 0 to len - 1.
            chunk_frames: most frames a chunk.

        Yields:
            float32 (c, t_chunk, h, w) in [-1, 1]; together sample_n_frames, or the whole video for -1.

        Raises:
            UnreadableVideo: the file can no longer be read.
        """
        with self._files.open(self._files.readable(index // self._clips_per_video)) as reader:
            self._suitable.check(reader.path, info_of(reader), self._counts.default)
            stride, clip = self._rate.stride(reader.fps), index % self._clips_per_video
            indices = clip_indices(len(reader), self._counts.default, stride, None, clip, self._clips_per_video)
            part = crop(*reader.size, self._sizes.of(reader.size))
            for start in range(0, len(indices), chunk_frames):
                yield from_pixels(reader.read_resized(indices[start : start + chunk_frames], part.resized, part.box))

    def clip_frames(self, index: int) -> int:
        """Number of frames that `stream` yields."""
        facts = self.describe(index)
        return len(clip_indices(facts["frames"], self._counts.default, self._rate.stride(facts["fps"])))

    def clip_fps(self, index: int) -> float:
        """Frames a second of the clip that `stream` yields, 0.0 for images."""
        fps = self.describe(index)["fps"]
        return fps / self._rate.stride(fps)

    def describe(self, index: int) -> dict:
        """The source of `self[index]`: path, relative_path, frames, fps, size (h, w), and the csv's other columns.

        For a file that turned out bad it is the file that replaces it, as in `self[index]`.
        """
        item, info = self._files.first_good(self._files.info, index // self._clips_per_video)
        places = {"path": item.path, "relative_path": item.relative_path}
        return {**item.extra, **places, "frames": info.frames, "fps": info.fps, "size": info.size}

    def bytes_when_checked(self, index: int) -> int:
        """The size of the source's file when its manifest was written; 0 without a manifest."""
        return self._files.first_good(self._files.info, index // self._clips_per_video)[1].file_bytes
