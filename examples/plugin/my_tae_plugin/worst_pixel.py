"""How far the worst pixel of a clip is off: `eval.metrics=[psnr,worst_pixel]`."""

import numpy as np


class WorstPixel:
    """The largest difference between reconstruction and video, both clipped to [-1, 1]."""

    name = "worst_pixel"
    protocol = "largest absolute difference of a clip's pixels, in [0, 2]"
    higher_is_better = False

    def __call__(self, recon: np.ndarray, x: np.ndarray) -> float:
        """Of one clip, (c, t, h, w) each."""
        return float(np.abs(np.clip(recon, -1, 1) - np.clip(x, -1, 1)).max())
