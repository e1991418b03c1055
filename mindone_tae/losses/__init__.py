"""Training losses. Imported on first use, so that listing names does not load MindSpore."""

from mindone_tae.lazy import lazy_names

# Public name: module, relative to this package.
_LAZY = {
    "L1Loss": ".reconstruction",
    "MSELoss": ".reconstruction",
    "KLLoss": ".kl",
    "OutlierPenalty": ".outlier",
    "LPIPS": ".lpips.distance",
    "TAELoss": ".tae_loss",
    "Discriminator": ".gan.discriminator",
    "PatchGAN2D": ".gan.patchgan",
    "PatchGAN3D": ".gan.patchgan",
}

__all__ = list(_LAZY)

__getattr__, __dir__ = lazy_names(__name__, _LAZY)
