"""Frames brought to the size that a network was trained on."""

import numpy as np
from scipy import ndimage


def resize_bilinear(clip: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bilinear interpolation between pixel centres, borders repeated, no antialiasing: PyTorch's and TensorFlow 2's.

    Args:
        clip: (..., h, w).
        size: pixels, (height, width).

    Returns:
        (..., *size) float32.
    """
    rows, columns = (_weights(before, after) for before, after in zip(clip.shape[-2:], size))
    return np.matmul(np.matmul(rows, np.asarray(clip, np.float32)), columns.T)


def _weights(before, after):
    """(after, before) float32: how much each pixel counts for each new one, from pixels that are 1 one at a time."""
    pixels = np.eye(before, dtype=np.float32)
    return ndimage.zoom(pixels, (after / before, 1), order=1, mode="nearest", grid_mode=True)
