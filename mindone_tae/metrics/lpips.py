"""Learned perceptual distance."""

import numpy as np

import mindspore as ms

from mindone_tae.losses.lpips.distance import LPIPS

from .frame_pairs import check_pair


class LPIPSMetric:
    """Mean LPIPS (VGG16, version 0.1) of a clip's frames.

    Args:
        lpips_path: safetensors file with the tensors of `lpips.LPIPS(net='vgg').state_dict()`.

    Attributes:
        name: "lpips".
        higher_is_better: False.
        protocol: what is computed, in a sentence.

    Raises:
        UserError: if the file is not there (and how to get it), or holds anything else.
    """

    name = "lpips"
    higher_is_better = False
    protocol = (
        "LPIPS version 0.1 with VGG16 of each frame at its own size, pixels clipped to [-1, 1], no rounding to 8 bits; "
        "mean over frames"
    )

    def __init__(self, lpips_path: str | None = None):
        self._lpips = LPIPS(lpips_path, key="the lpips metric's lpips_path")

    def __call__(self, recon: np.ndarray, x: np.ndarray) -> float:
        """Measure one clip.

        Args:
            recon: reconstruction (3, t, h, w), float32 in [-1, 1]; h and w at least 16.
            x: video, the same shape and range.

        Returns:
            0 for equal clips, more otherwise; NaN if a pixel is.

        Raises:
            UserError: if the shapes differ, are not (3, t, h, w), or the frames are too small.
        """
        recon, x = check_pair(recon, x)
        # A frame at a time: VGG16's features of a whole clip take far more memory than the clip.
        frames = [float(self._lpips(_tensor(recon[:, i]), _tensor(x[:, i])).asnumpy()[0]) for i in range(x.shape[1])]
        return float(np.mean(frames))


def _tensor(frame):
    return ms.Tensor(np.clip(frame, -1, 1)[None].astype(np.float32))  # (1, 3, h, w)
