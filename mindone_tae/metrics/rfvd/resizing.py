"""Frames brought to the size that a network was trained on."""

import numpy as np


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
    """(after, before) float32: how much each pixel counts for each new one."""
    centres = (np.arange(after) + 0.5) * before / after - 0.5
    centres = np.clip(centres, 0, before - 1)
    lower = np.minimum(np.floor(centres).astype(int), max(before - 2, 0))
    share = centres - lower
    weights = np.zeros((after, before), np.float32)
    places = np.arange(after)
    weights[places, lower] = 1 - share
    weights[places, np.minimum(lower + 1, before - 1)] += share
    return weights
