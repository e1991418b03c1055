"""The orientation of frames, as the file's display matrix gives it."""

from __future__ import annotations

import numpy as np

# Tangent of an angle, one degree as in the ffmpeg command, below which it counts as rounding.
_ROUNDING = 0.0174


def display_matrix(frame) -> np.ndarray:
    """What a PyAV frame's coordinates, from the top left, are multiplied with: (x', y') = (x, y) @ matrix, (2, 2)."""
    for entry in frame.side_data:
        if entry.type.name == "DISPLAYMATRIX":
            return np.frombuffer(bytes(entry), np.int32).reshape(3, 3)[:2, :2] / 65536
    return np.eye(2)


def upright(pixels: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Pixels (h, w, 3) turned and mirrored.

    Raises:
        ValueError: the matrix is no quarter turn, perhaps mirrored.
    """
    sides, diagonal = np.abs(matrix), np.trace(np.abs(matrix))
    turned = diagonal < sides.sum() - diagonal
    if turned:
        pixels, matrix = pixels.transpose(1, 0, 2), matrix[::-1]
    along, across = np.diag(matrix), np.abs(matrix[::-1].diagonal())
    if not np.all(across <= _ROUNDING * np.abs(along)) or not along.all():
        raise ValueError("its metadata turns it by a part of a quarter turn: turn its pixels, by ffmpeg for example")
    columns, rows = np.sign(along).astype(int)
    return pixels[::rows, ::columns]
