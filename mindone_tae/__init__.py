"""Movie Gen's Temporal Autoencoder (TAE) for MindSpore, as a plugin of MindONE.

Importing the package imports no MindSpore; the names below do, when they are first used.
"""

from importlib import import_module

from . import zoo
from .version import __version__

_LAZY = {
    "TemporalAutoencoder": ".models.autoencoder",
    "TAE_CONFIG": ".models.autoencoder",
    "AutoencoderKLTAE": ".hosts",
    "scale_latents": ".models.latent_scaling",
    "unscale_latents": ".models.latent_scaling",
}

# model_index.json names this package for AutoencoderKLTAE, and mindone's loader wants to find the base class in it.
_FOR_LOADERS = {"ModelMixin": "mindone.diffusers"}

__all__ = ["__version__", "zoo", *_LAZY]


def __getattr__(name):
    module = _LAZY.get(name) or _FOR_LOADERS.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(module, __name__), name)


def __dir__():
    return sorted({*globals(), *_LAZY})
