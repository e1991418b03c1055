"""Metrics: how good a reconstruction is, as one float a clip. Imported on first use: PSNR and SSIM need no MindSpore."""

from importlib import import_module

_HOME = {
    "PSNR": "psnr",
    "SSIM": "ssim",
    "LPIPSMetric": "lpips",
}

__all__ = list(_HOME)


def __getattr__(name):
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_HOME])
