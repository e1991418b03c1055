"""Frames to the size and range that models take, and back."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from PIL import Image

from mindone_tae.zoo.errors import UserError
from mindone_tae.zoo.printable import shown

# Every published size is a multiple of this; a model with a larger ratio checks for itself.
_MULTIPLE = 8
# A square frame of this side takes 3 GB as float32.
_LARGEST_SIDE = 2**14
# Pillow first shrinks by whole factors, leaving at least this factor to antialiased resizing: fast, hardly visible.
_REDUCING_GAP = 2.0


@dataclass(frozen=True)
class Size:
    """A wanted size: fixed sides, or a shorter side with the source's aspect ratio.

    Attributes:
        fixed: (h, w), or None.
        shorter_side: pixels, or None.
    """

    fixed: tuple[int, int] | None = None
    shorter_side: int | None = None

    def of(self, height: int, width: int) -> tuple[int, int]:
        """The (h, w) to which a source of this height and width is resized."""
        if self.fixed is not None:
            return self.fixed
        scale = self.shorter_side / min(height, width)
        return tuple(max(_MULTIPLE, round(side * scale / _MULTIPLE) * _MULTIPLE) for side in (height, width))


def parse_size(size: int | str | tuple[int, int] | list[int]) -> Size:
    """Parse a recipe's size.

    Args:
        size: (h, w); one number for a square; or "256px": the shorter side becomes 256 and the other keeps the aspect
            ratio, rounded to a multiple of 8. With "256px", clips of different aspect ratios differ in size.

    Raises:
        UserError: of another form, or a side that is not a positive multiple of 8.
    """
    if isinstance(size, str):
        match = re.fullmatch(r"\s*(\d{1,9})\s*px\s*", size)
        if not match:
            raise _bad_form(size)
        shorter_side = int(match[1])
        _check_side(size, shorter_side)
        return Size(shorter_side=shorter_side)
    sides = (size, size) if _is_whole(size) else size
    if not isinstance(sides, (tuple, list)) or len(sides) != 2 or not all(map(_is_whole, sides)):
        raise _bad_form(size)
    for side in sides:
        _check_side(size, side)
    return Size(fixed=(int(sides[0]), int(sides[1])))


def _is_whole(value):
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _bad_form(size):
    return UserError(f"size is {shown(size)}; it must be [height, width], one number for a square, or like '256px'")


def _check_side(size, side):
    if side > _LARGEST_SIDE:
        raise UserError(f"size is {shown(size)}; sides must be at most {_LARGEST_SIDE} pixels: use 256 if unsure")
    if side >= _MULTIPLE and side % _MULTIPLE == 0:
        return
    lower = side // _MULTIPLE * _MULTIPLE
    remedy = f"use {lower} or {lower + _MULTIPLE}" if lower >= _MULTIPLE else f"use {_MULTIPLE} or more"
    raise UserError(f"size is {shown(size)}; sides must be multiples of {_MULTIPLE}, and {side} is not: {remedy}")


def crop_box(height: int, width: int, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The largest centred part of a frame that has the wanted aspect ratio.

    Args:
        height: of the source, pixels.
        width: of the source, pixels.
        size: wanted (h, w).

    Returns:
        (left, top, right, bottom) in source pixels, not rounded.
    """
    scale = max(size[0] / height, size[1] / width)
    box_height, box_width = min(height, size[0] / scale), min(width, size[1] / scale)
    left, top = (width - box_width) * 0.5, (height - box_height) * 0.5
    return left, top, min(left + box_width, width), min(top + box_height, height)


@dataclass(frozen=True)
class Crop:
    """How frames become those of a clip: a box is resized, and a window cut out of the result.

    Attributes:
        box: (left, top, right, bottom) in source pixels.
        resized: (h, w) that it becomes.
        corner: (top, left) of the window, pixels of the resized frame.
        size: (h, w) of the window.
    """

    box: tuple[float, float, float, float]
    resized: tuple[int, int]
    corner: tuple[int, int]
    size: tuple[int, int]

    def cut(self, frames: np.ndarray) -> np.ndarray:
        """The window of frames (t, *resized, 3): a view (t, *size, 3)."""
        (top, left), (height, width) = self.corner, self.size
        return frames[:, top : top + height, left : left + width]


def crop(
    height: int, width: int, size: tuple[int, int], rng: np.random.Generator | None = None, scale: float = 1.0
) -> Crop:
    """The largest part of a frame that has the wanted aspect ratio, resized to that size.

    A drawn part is a whole number of resized pixels from the frame's border, so that all draws are windows of one
    resized frame, which may be cached.

    Args:
        height: of the source, pixels.
        width: of the source, pixels.
        size: wanted (h, w).
        rng: draws the place of the part; None takes the centre, to a fraction of a pixel.
        scale: factor by which the resized frame is larger than the smallest that holds the part, limited by the
            source's pixels; used with rng only.
    """
    if rng is None:
        return Crop(crop_box(height, width, size), size, (0, 0), size)
    scale = max(1.0, min(scale, height / size[0], width / size[1]))
    if size[0] * width >= size[1] * height:
        rows = round(size[0] * scale)
        resized = rows, rows * width // height
    else:
        columns = round(size[1] * scale)
        resized = columns * height // width, columns
    corner = tuple(int(rng.integers(whole - part + 1)) for whole, part in zip(resized, size))
    return Crop(crop_box(height, width, resized), resized, corner, size)


def crop_resize(frames: np.ndarray, size: tuple[int, int], box: tuple[float, float, float, float]) -> np.ndarray:
    """Cut the same box out of every frame and resize it, antialiased.

    Args:
        frames: uint8 (t, h, w, 3).
        size: wanted (h, w).
        box: (left, top, right, bottom) in source pixels.

    Returns:
        uint8 (t, *size, 3); the frames themselves where that changes nothing.
    """
    if frames.shape[1:3] == tuple(size) and tuple(box) == (0, 0, size[1], size[0]):
        return frames
    resized = np.empty((len(frames), *size, 3), np.uint8)
    for target, frame in zip(resized, frames):
        image = Image.fromarray(frame)
        target[:] = image.resize(size[::-1], Image.Resampling.BICUBIC, box=box, reducing_gap=_REDUCING_GAP)
    return resized


def from_pixels(frames: np.ndarray) -> np.ndarray:
    """Frames to a model's pixels.

    Args:
        frames: uint8 (t, h, w, 3).

    Returns:
        float32 (c, t, h, w) in [-1, 1], contiguous.
    """
    x = np.ascontiguousarray(frames.transpose(3, 0, 1, 2), dtype=np.float32)
    x /= 127.5
    x -= 1.0
    return x


def to_pixels(x: np.ndarray) -> np.ndarray:
    """A model's pixels to frames: rounded, not truncated, and clipped.

    Args:
        x: floating (c, t, h, w), in about [-1, 1].

    Returns:
        uint8 (t, h, w, c), contiguous.
    """
    x = np.asarray(x)
    c, t, h, w = x.shape
    frames = np.empty((t, h, w, c), np.uint8)
    for i in range(t):  # in place: a 4K frame takes 100 MB
        levels = np.add(x[:, i], 1.0, dtype=np.float32)
        levels *= 127.5
        np.rint(levels, out=levels).clip(0, 255, out=levels)
        frames[i] = levels.astype(np.uint8).transpose(1, 2, 0)
    return frames
