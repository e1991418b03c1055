"""Clips of discs and squares that drift and turn over a shaded ground."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_SHAPES = 5


def moving_shapes(frames: int, size: tuple[int, int], rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Frames of shapes that bounce off the borders.

    Args:
        frames: how many.
        size: (h, w).
        rng: draws colours, places and speeds.

    Yields:
        uint8 (h, w, 3).
    """
    height, width = size
    y, x = np.mgrid[:height, :width].astype(np.float64) + 0.5
    corners = rng.uniform(20, 235, (2, 2, 3))
    across, down = (x / width)[..., None], (y / height)[..., None]
    ground = (corners[0, 0] * (1 - across) + corners[0, 1] * across) * (1 - down)
    ground += (corners[1, 0] * (1 - across) + corners[1, 1] * across) * down

    shorter_side = min(size)
    shapes = [
        {
            "round": bool(rng.random() < 0.5),
            "radius": rng.uniform(0.1, 0.22) * shorter_side,
            "colour": rng.uniform(0, 255, 3),
            "stripe": rng.uniform(0, 255, 3),
            "place": rng.uniform(0, 1, 2) * (width, height),
            "speed": rng.uniform(0.008, 0.03, 2) * rng.choice([-1, 1], 2) * shorter_side,
            "angle": rng.uniform(0, np.pi),
            "spin": rng.uniform(-0.12, 0.12),
        }
        for _ in range(_SHAPES)
    ]
    for step in range(frames):
        picture = ground.copy()
        for shape in shapes:
            _paint(picture, x, y, shape, step)
        yield np.rint(picture).clip(0, 255).astype(np.uint8)


def _paint(picture, x, y, shape, step):
    """Lay one shape over the picture, its edges exact to a fraction of a pixel."""
    height, width = x.shape
    centre_x, centre_y = _bounced(shape["place"] + step * shape["speed"], np.array([width, height]))
    angle = shape["angle"] + step * shape["spin"]
    along = (x - centre_x) * np.cos(angle) + (y - centre_y) * np.sin(angle)
    aside = (y - centre_y) * np.cos(angle) - (x - centre_x) * np.sin(angle)
    outline = np.hypot(along, aside) if shape["round"] else np.maximum(abs(along), abs(aside))
    cover = np.clip(shape["radius"] - outline + 0.5, 0, 1)[..., None]
    stripe = np.clip(shape["radius"] / 4 - abs(along) + 0.5, 0, 1)[..., None]
    colour = shape["colour"] * (1 - stripe) + shape["stripe"] * stripe
    picture += (colour - picture) * cover


def _bounced(place, sides):
    """A place folded back into [0, side]."""
    return sides - abs(place % (2 * sides) - sides)
