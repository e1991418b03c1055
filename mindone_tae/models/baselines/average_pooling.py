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
        b, c, *size = x.shape
        padding = [(0, -side % block) for side, block in zip(size, self.block)]
        padded = np.pad(x, [(0, 0), (0, 0), *padding], mode="edge")
        counts = [side // block for side, block in zip(padded.shape[2:], self.block)]
        split = [part for pair in zip(counts, self.block) for part in pair]
        pooled = padded.reshape(b, c, *split).mean(axis=(3, 5, 7))  # (b, c, lt, lh, lw)
        # grid_mode: samples lie at the centres of their blocks, as with PyTorch's align_corners=False
        back = zoom(pooled, (1, 1, *self.block), order=1, mode="nearest", grid_mode=True)
        return back[:, :, : size[0], : size[1], : size[2]]
