"""Writing frames as video, one at a time."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from contextlib import ExitStack
from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from PIL import Image

from mindone_tae.zoo.atomic_file import replacing
from mindone_tae.zoo.errors import UserError, require_within

from ..transforms import to_pixels

# Frames a second that a video may have.
SLOWEST, FASTEST = 0.001, 1000.0
# Frame rates in use have at most this denominator: 30000/1001.
_LARGEST_DENOMINATOR = 1001
# A GIF counts in hundredths of a second, and viewers play frames of one hundredth at ten a second.
_FASTEST_GIF = 50
_BT709 = 1  # matrix, primaries and transfer characteristic alike, in ITU-T H.273
# swscale's SWS_BICUBIC, SWS_ACCURATE_RND and SWS_FULL_CHR_H_INP as numbers: PyAV 17 has no names for them.
_EXACT = 0x4 | 0x40000 | 0x4000

logger = logging.getLogger(__name__)


class VideoWriter:
    """Writes .mp4 (H.264) or .gif; a context manager.

    The file appears under its name when the block ends without an error; otherwise nothing is left of it. In .mp4 a
    side of odd length gets one more row or column, a copy of its last, since 4:2:0 video has even sides. An .mp4 is
    tagged as BT.709 of limited range, which its colours are; pixels are square.

    Args:
        path: ends in .mp4 or .gif; its folder is created if missing.
        fps: frames a second; a GIF plays at most 50, and keeps all frames.
        crf: quality of .mp4, from 0 (lossless) to 51; 18 looks like the source. A GIF has 256 colours a frame.
        reproducible: make the bytes of an .mp4 depend on the frames alone, at some cost in time and size.

    Raises:
        UserError: another suffix, fps or crf out of range, frames that change size, or none at all.
    """

    def __init__(self, path: str | os.PathLike, fps: float, crf: int = 18, reproducible: bool = False):
        self.path = os.fspath(path)
        self._suffix = os.path.splitext(self.path)[1].lower()
        if self._suffix not in (".mp4", ".gif"):
            raise UserError(
                f"cannot write '{self.path}': videos are written as .mp4 or .gif, so end the name in one of these"
            )
        require_within(SLOWEST, FASTEST, fps, "fps", "24 suits most")
        require_within(0, 51, crf, "crf", "18 looks like the source, 0 is lossless")
        if self._suffix == ".gif" and fps > _FASTEST_GIF:
            logger.warning("%s plays at %g frames a second, not %g: a GIF has no more", self.path, _FASTEST_GIF, fps)
            fps = _FASTEST_GIF
        self._rate = Fraction(fps).limit_denominator(_LARGEST_DENOMINATOR)
        self._crf, self._reproducible = crf, reproducible
        self._stream = self._size = None
        self._reformatter = VideoReformatter()

    def __enter__(self):
        with ExitStack() as exits:
            temporary = exits.enter_context(replacing(self.path))
            # absolute: what stands before a colon in a relative path is a protocol to FFmpeg
            self._container = exits.enter_context(av.open(os.path.join(os.getcwd(), temporary), "w"))
            self._exits = exits.pop_all()
        return self

    def __exit__(self, kind, error, trace):
        if kind is not None:
            return self._exits.__exit__(kind, error, trace)
        with self._exits:
            self._finish()

    def write(self, frame: np.ndarray) -> None:
        """Add one frame, uint8 (h, w, 3) RGB; all of one size."""
        frame = np.asarray(frame)
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise UserError(
                f"a frame is uint8 (h, w, 3), and this one is {frame.dtype} {frame.shape}: convert it with to_pixels"
            )
        if self._stream is None:
            self._start(frame.shape[:2])
        if frame.shape[:2] != self._size:
            raise UserError(
                f"all frames of {self.path} must be {self._size} like the first, and one is {frame.shape[:2]}"
            )
        self._mux(self._gif_frame(frame) if self._suffix == ".gif" else self._mp4_frame(frame))

    def _start(self, size):
        self._size = size
        codec = "gif" if self._suffix == ".gif" else "libx264"
        self._stream = self._container.add_stream(codec, rate=self._rate)
        self._stream.height, self._stream.width = size
        if codec == "gif":
            self._stream.pix_fmt = "pal8"
        else:
            self._stream.height, self._stream.width = (side + side % 2 for side in size)
            self._stream.pix_fmt = "yuv420p"  # what every player and browser takes
            # Players would take untagged colours for BT.709 in large frames and BT.601 in small ones.
            context = self._stream.codec_context
            context.color_range = ColorRange.MPEG
            context.colorspace = context.color_primaries = context.color_trc = _BT709
            context.sample_aspect_ratio = Fraction(1, 1)
            self._stream.options = {"crf": str(self._crf)}
            if self._reproducible:
                # x264's output varies with the number of threads, and, with macroblock tree on small frames, at random.
                self._stream.options["x264-params"] = "mbtree=0"
                context.thread_count = 1

    def _mp4_frame(self, frame):
        height, width = self._size
        if height % 2 or width % 2:
            frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        return self._reformatter.reformat(
            av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation=_EXACT,
            threads=1,
        )

    def _gif_frame(self, frame):
        # A palette for each frame, so that frames can be written as they come.
        image = Image.fromarray(frame).quantize(256, dither=Image.Dither.FLOYDSTEINBERG)
        colours = np.asarray(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
        palette = np.full((256, 4), 255, np.uint8)  # alpha, red, green, blue
        palette[: len(colours), 1:] = colours
        return av.VideoFrame.from_ndarray((np.asarray(image), palette), format="pal8")

    def _mux(self, frame):
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def _finish(self):
        if self._stream is None:
            raise UserError(f"no frames came for {self.path}: a video needs at least one")
        self._mux(None)


class ImageWriter:
    """Writes the one frame of an image as .png; a context manager used as VideoWriter is.

    Args:
        path: ends in .png.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = os.fspath(path)
        self._frames = []

    def __enter__(self):
        return self

    def write(self, frame: np.ndarray) -> None:
        """Takes the frame, uint8 (h, w, 3) RGB."""
        self._frames.append(frame)

    def __exit__(self, kind, *_):
        if kind is not None:
            return
        if len(self._frames) != 1:
            raise UserError(f"{self.path} got {len(self._frames)} frames; an image has one: write more to .mp4 or .gif")
        with replacing(self.path) as temporary:
            Image.fromarray(self._frames[0]).save(temporary, format="PNG")


def writable_fps(fps: float, clip: str) -> float:
    """The rate to write a clip at: its own, or, with a warning, the nearest that a video may have.

    Args:
        fps: frames a second of the clip; 0 for an image, which is written at 1.
        clip: its name in the warning.
    """
    bounded = min(max(fps, SLOWEST), FASTEST) if fps else 1.0
    if fps and bounded != fps:
        told = "%s has %g frames a second; its video is written with %g: videos have %g to %g"
        logger.warning(told, clip, fps, bounded, SLOWEST, FASTEST)
    return bounded


def write_video(path: str | os.PathLike, x: np.ndarray | Iterable[np.ndarray], fps: float, crf: int = 18) -> None:
    """Write a whole video.

    Args:
        path: ends in .mp4 or .gif.
        x: a model's output: floating (1, c, t, h, w) or (c, t, h, w) in [-1, 1], an array or a MindSpore Tensor; or
            uint8 frames: an iterable of (h, w, 3), or one array (t, h, w, 3).
        fps: frames a second.
        crf: see VideoWriter.

    Raises:
        UserError: x has another shape or type or holds several videos, or as VideoWriter.
    """
    with VideoWriter(path, fps, crf) as writer:
        for frame in _frames(x):
            writer.write(frame)


def _frames(x):
    """Frames as VideoWriter takes them."""
    if hasattr(x, "asnumpy"):
        x = x.asnumpy()
    if not isinstance(x, np.ndarray) or not np.issubdtype(x.dtype, np.floating):
        return x
    if x.ndim == 5 and len(x) > 1:
        raise UserError(f"x has shape {x.shape}, so {len(x)} videos; a file holds one: write x[0], x[1], ...")
    video = x[0] if x.ndim == 5 else x
    if video.ndim != 4 or video.shape[0] != 3:
        raise UserError(
            f"x has shape {x.shape}; floats are written from (1, 3, t, h, w) or (3, t, h, w) in [-1, 1]: "
            "reorder the axes"
        )
    return to_pixels(video)


def side_by_side(left: np.ndarray, right: np.ndarray, gap_pixels: int = 4) -> np.ndarray:
    """Two frames, or two videos, next to each other with a white gap.

    Args:
        left: uint8 (..., h, w, 3).
        right: the same shape.
        gap_pixels: between them.

    Returns:
        uint8 (..., h, 2 * w + gap_pixels, 3).

    Raises:
        UserError: the shapes differ.
    """
    if left.shape != right.shape:
        raise UserError(
            f"side by side needs two of one shape, and these are {left.shape} and {right.shape}: trim or resize one"
        )
    gap = np.full((*left.shape[:-2], gap_pixels, 3), 255, np.uint8)
    return np.concatenate([left, gap, right], axis=-2)
