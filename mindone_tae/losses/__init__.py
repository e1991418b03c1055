"""Losses: what a reconstruction is charged for. Imported on first use, so that listing names never loads MindSpore."""

from importlib import import_module

_HOME = {
    "L1Loss": "reconstruction",
    "MSELoss": "reconstruction",
    "KLLoss": "kl",
    "OutlierPenalty": "outlier",
    "LPIPS": "lpips",
    "TAELoss": "tae_loss",
    "Discriminator": "adversarial",
    "PatchGAN2D": "patchgan",
    "PatchGAN3D": "patchgan",
}

__all__ = list(_HOME)


def __getattr__(name):
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_HOME])
