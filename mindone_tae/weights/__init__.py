"""Weights in and out: .ckpt, .safetensors, diffusers folders, training runs, and image VAEs made into video ones.

Importing this package imports nothing heavy; each name's module is imported on first use.
"""

from mindone_tae.lazy import lazy_names

# Public name: module, relative to this package.
_LAZY = {
    "Inflation": ".inflation.inflation",
    "inflate": ".inflation.inflation",
    "load_weights": ".loading",
    "model_card": ".card",
    "read_metadata": ".reading",
    "read_model": ".reading",
    "read_weights": ".reading",
    "save_diffusers_folder": ".diffusers_folder",
    "save_weights": ".saving",
}

__all__ = list(_LAZY)

__getattr__, __dir__ = lazy_names(__name__, _LAZY)
