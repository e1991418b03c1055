"""Weights in and out: .ckpt, .safetensors, diffusers folders, training runs, and image VAEs made into video ones.

Importing this package imports nothing heavy; each name's module is imported on first use.
"""

from importlib import import_module

# Public name: module, relative to this package.
_LAZY = {
    "Inflation": ".inflation",
    "inflate": ".inflation",
    "load_weights": ".loading",
    "read_metadata": ".reading",
    "read_model": ".reading",
    "read_weights": ".reading",
    "save_diffusers_folder": ".diffusers_folder",
    "save_weights": ".saving",
}

__all__ = list(_LAZY)


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name], __name__), name)


def __dir__():
    return sorted({*globals(), *__all__})
