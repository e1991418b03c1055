"""Peak signal-to-noise ratio."""

import numpy as np
from skimage.metrics import mean_squared_error

from .frame_pairs import frame_means

# Equal frames have an infinite PSNR, which JSON cannot hold and which would make the mean infinite.
_CAP_DB = 100.0


class PSNR:
    """Mean PSNR of a clip's frames, in dB.

    Attributes:
        name: "psnr".
        higher_is_better: True.
        protocol: what is computed, in a sentence.
    """

    name = "psnr"
    higher_is_better = True
    protocol = (
        "-10 log10 of scikit-image's mean_squared_error of each frame over all its channels, pixels mapped from "
        "[-1, 1] to [0, 1] and clipped, data range 1.0, no rounding to 8 bits, capped at 100 dB; mean over frames"
    )

    def __call__(self, recon: np.ndarray, x: np.ndarray) -> float:
        """Measure one clip.

        Args:
            recon: reconstruction (c, t, h, w), float32 in [-1, 1].
            x: video, the same shape and range.

        Returns:
            dB, at most 100; NaN if a pixel is.

        Raises:
            UserError: if the shapes differ or are not (c, t, h, w).
        """
        errors = frame_means(mean_squared_error, recon, x)
        with np.errstate(divide="ignore"):
            return float(np.mean(np.minimum(-10 * np.log10(errors), _CAP_DB)))
