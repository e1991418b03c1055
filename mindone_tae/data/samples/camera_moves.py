"""A camera that pans, zooms and turns over a still photograph."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

# Each output pixel is the mean of this many samples a side, so that moving edges do not flicker.
_SAMPLES = 2
MOTIONS = ("pan", "zoom", "turn")


@dataclass(frozen=True)
class View:
    """The camera's view: centre and height in the photograph's pixels, angle in radians."""

    x: float
    y: float
    height: float
    angle: float


def camera_move(
    photograph: Image.Image, motion: str, frames: int, size: tuple[int, int], rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Frames of one smooth camera move that stays inside the photograph.

    Args:
        photograph: RGB.
        motion: "pan", "zoom" or "turn"; the latter two drift a little too.
        frames: how many.
        size: (h, w) of the frames.
        rng: draws the move.

    Yields:
        uint8 (h, w, 3).
    """
    photograph = _reduced(photograph, 3.0 * size[0])
    begin, end = _ends(photograph.size, motion, size, rng)
    for step in np.linspace(0.0, 1.0, frames):
        eased = step + 0.15 * math.sin(2 * math.pi * step) / math.pi  # faster and slower, never halting
        yield _render(photograph, _between(begin, end, eased), size)


def _reduced(photograph, shorter_side):
    """A photograph small enough that a view never skips its pixels."""
    scale = shorter_side / min(photograph.size)
    if scale >= 1:
        return photograph
    return photograph.resize([round(side * scale) for side in photograph.size], Image.Resampling.LANCZOS)


def _ends(photograph_size, motion, size, rng):
    """The first and the last view of a move."""
    tilt = rng.uniform(-0.12, 0.12)
    turned = rng.choice([-1.0, 1.0]) * rng.uniform(0.5, 1.1) if motion == "turn" else 0.0
    # Half the width and height that a view takes up, in view heights, at the angles it has.
    aspect = size[1] / size[0]
    if motion == "turn":
        reach = np.full(2, math.hypot(1.0, aspect) / 2)
    else:
        cos, sin = abs(math.cos(tilt)), abs(math.sin(tilt))
        reach = np.array([aspect * cos + sin, aspect * sin + cos]) / 2
    middle = np.asarray(photograph_size) / 2
    fitting = (middle / reach).min()

    if motion == "pan":
        heights = np.full(2, rng.uniform(0.55, 0.7)) * fitting
        direction = rng.uniform(0, 2 * math.pi)
        opposite = np.array([math.cos(direction), math.sin(direction)]) * rng.uniform(0.7, 0.98)
        drifts = (opposite, -opposite)
    else:
        spans = ((0.42, 0.52), (0.85, 0.95)) if motion == "zoom" else ((0.72, 0.95), (0.72, 0.95))
        heights = rng.permutation([rng.uniform(*span) for span in spans]) * fitting
        drifts = rng.uniform(-0.7, 0.7, (2, 2))
    # A drift of 1 would touch the photograph's border.
    places = [middle + (middle - reach * height) * drift for height, drift in zip(heights, drifts)]
    return (View(*place, height, angle) for place, height, angle in zip(places, heights, (tilt, tilt + turned)))


def _between(begin, end, part):
    """The view part of the way; height changes by equal factors, as a zoom looks even."""
    return View(
        begin.x + (end.x - begin.x) * part,
        begin.y + (end.y - begin.y) * part,
        begin.height * (end.height / begin.height) ** part,
        begin.angle + (end.angle - begin.angle) * part,
    )


def _render(photograph, view, size):
    height, width = (side * _SAMPLES for side in size)
    scale = view.height / height
    cos, sin = scale * math.cos(view.angle), scale * math.sin(view.angle)
    # Pillow's affine maps an output pixel to a place in the photograph.
    matrix = (
        cos, -sin, view.x - cos * width / 2 + sin * height / 2,
        sin, cos, view.y - sin * width / 2 - cos * height / 2,
    )  # fmt: skip
    seen = photograph.transform((width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
    return np.asarray(seen.reduce(_SAMPLES))
