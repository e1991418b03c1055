"""The simplest baseline at a TAE's ratio: average over 8x8x8 pixels, interpolate back."""

import numpy as np
from scipy.ndimage import zoom


class AveragePooling:
    """Averages blocks of pixels and interpolates back trilinearly; nothing is learned.

    A trained autoencoder has to beat this. A clip that does not divide into blocks is padded by repeating its last
    frame, row and column, and cropped at the end.

    Args:
        time_ratio: frames a block.
        space_ratio: pixels a block, in height and in width.
    """

    def __init__(self, time_ratio: int = 8, space_ratio: int = 8):
        self.block = (time_ratio, space_ratio, space_ratio)

    def __call__(self, x):
        """Pixels to pixels.

        Args:
            x: array (b, c, t, h, w).

        Returns:
            Array of the same shape, float32.
        """
        x = np.asarray(x, np.float32)
        b, c, t, h, w = x.shape
        bt, bh, bw = self.block
        # in space first: a picture repeated to eight frames would take eight times its memory
        pooled = _padded(_padded(x, 3, bh), 4, bw)
        pooled = pooled.reshape(b, c, t, pooled.shape[3] // bh, bh, pooled.shape[4] // bw, bw).mean(axis=(4, 6))
        pooled = _padded(pooled, 2, bt)
        pooled = pooled.reshape(b, c, -1, bt, *pooled.shape[3:]).mean(axis=3)  # (b, c, lt, lh, lw)
        frames = _enlarged(pooled, (1, 1, bt, 1, 1))
        back = np.empty_like(x)
        for frame in np.ndindex(b, c, t):
            back[frame] = _enlarged(frames[frame], (bh, bw))[:h, :w]
        return back


def _padded(x, axis, multiple):
    """x with its last position repeated up to a multiple."""
    missing = -x.shape[axis] % multiple
    return np.pad(x, [(0, missing if i == axis else 0) for i in range(x.ndim)], mode="edge") if missing else x


def _enlarged(x, factors):
    """Linear interpolation; samples lie at the centres of their blocks, as with PyTorch's align_corners=False."""
    return zoom(x, factors, order=1, mode="nearest", grid_mode=True)
