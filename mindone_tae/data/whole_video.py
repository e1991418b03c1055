"""Reading a whole video or image as one array for a model."""

from __future__ import annotations

import os

import numpy as np

from mindone_tae.zoo.errors import UserError

from .readers.opening import open_video
from .transforms import crop_box, from_pixels, parse_size

_MULTIPLE = 8


def read_video(
    path: str | os.PathLike, size: int | str | tuple[int, int] | None = None, num_frames: int | None = None
) -> tuple[np.ndarray, float]:
    """Read a video, a GIF, an image or a folder of numbered images.

    Args:
        path: of the file or folder.
        size: pixels: (h, w), one number for a square, or "256px" for the shorter side with the aspect ratio kept. None
            keeps the source's size, with up to 7 rows and columns cut off to make the sides multiples of 8.
        num_frames: read only the first num_frames frames; None reads all.

    Returns:
        float32 (1, c, t, h, w) in [-1, 1], and frames a second, 0.0 for an image.

    Raises:
        UnreadableVideo: the file cannot be read.
        UserError: size or num_frames is not possible for this file.
    """
    with open_video(path) as reader:
        if num_frames is not None and not 1 <= num_frames <= len(reader):
            raise UserError(
                f"num_frames is {num_frames}, and {path} has {len(reader)} frames: ask for 1 to {len(reader)}, or None"
            )
        source = reader.size
        if size is None and min(source) < _MULTIPLE:
            raise UserError(
                f"{path} is {source[0]}x{source[1]} pixels; a side must be at least {_MULTIPLE}: give a size"
            )
        target = tuple(side - side % _MULTIPLE for side in source) if size is None else parse_size(size).of(*source)
        box = _middle(source, target) if size is None else crop_box(*source, target)
        frames = reader.read_resized(range(num_frames or len(reader)), target, box)
        return from_pixels(frames)[None], reader.fps


def _middle(source, target):
    """(left, top, right, bottom) of whole source pixels, so that nothing is resized."""
    top, left = ((whole - part) // 2 for whole, part in zip(source, target))
    return left, top, left + target[1], top + target[0]
