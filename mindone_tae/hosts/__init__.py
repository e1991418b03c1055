"""Faces for the mechanisms that stock code has: mindone.diffusers' pipelines, mindcv's table of models, any zoo's own registry.

Importing this package imports nothing heavy; each name's module is imported on first use.
"""

from importlib import import_module

# Public name: module, relative to this package.
_LAZY = {
    "AutoencoderKLTAE": ".autoencoder_kl_tae",
    "register_into": ".registries",
}

__all__ = list(_LAZY)


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name], __name__), name)


def __dir__():
    return sorted({*globals(), *__all__})
