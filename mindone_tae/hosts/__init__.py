"""Adapters to other packages: mindone.diffusers' pipelines, mindcv's table of models, and registries of any host.

Importing this package imports nothing heavy; each name's module is imported on first use.
"""

from mindone_tae.lazy import lazy_names

# Public name: module, relative to this package.
_LAZY = {
    "AutoencoderKLTAE": ".autoencoder_kl_tae",
    "register_into": ".registries",
}

__all__ = list(_LAZY)

__getattr__, __dir__ = lazy_names(__name__, _LAZY)
