"""Metrics of reconstruction quality, one float for a clip or a set.

Imported on first use: PSNR and SSIM need no MindSpore.
"""

from mindone_tae.lazy import lazy_names

# Public name: module, relative to this package.
_LAZY = {
    "PSNR": ".psnr",
    "SSIM": ".ssim",
    "LPIPSMetric": ".lpips",
    "RFVD": ".rfvd.metric",
}

__all__ = list(_LAZY)

__getattr__, __dir__ = lazy_names(__name__, _LAZY)
