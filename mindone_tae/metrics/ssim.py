"""Structural similarity."""

from functools import partial

import numpy as np
from skimage.metrics import structural_similarity

from mindone_tae.zoo.errors import UserError

from .frame_pairs import check_pair, frame_means

_WINDOW_PX = 7


class SSIM:
    """Mean SSIM (Wang et al., 2004) of a clip's frames, by scikit-image.

    Attributes:
        name: "ssim".
        higher_is_better: True.
        protocol: what is computed, in a sentence.
    """

    name = "ssim"
    higher_is_better = True
    protocol = (
        "scikit-image's structural_similarity of each frame, 7x7 uniform window, mean over channels, pixels mapped "
        "from [-1, 1] to [0, 1] and clipped, data range 1.0, no rounding to 8 bits; mean over frames"
    )

    def __call__(self, recon: np.ndarray, x: np.ndarray) -> float:
        """Measure one clip.

        Args:
            recon: reconstruction (c, t, h, w), float32 in [-1, 1]; h and w at least 7.
            x: video, the same shape and range.

        Returns:
            1 for equal clips, less otherwise; NaN if a pixel is.

        Raises:
            UserError: if the shapes differ, are not (c, t, h, w), or the frames are smaller than the window.
        """
        recon, x = check_pair(recon, x)
        h, w = x.shape[2:]
        if min(h, w) < _WINDOW_PX:
            raise UserError(
                f"the frames are {h}x{w} pixels; SSIM's window of {_WINDOW_PX}x{_WINDOW_PX} must fit in: "
                "use larger frames, or leave ssim out"
            )
        similarity = partial(structural_similarity, data_range=1.0, win_size=_WINDOW_PX, channel_axis=0)
        return float(np.mean(frame_means(similarity, recon, x, around=_WINDOW_PX // 2)))
