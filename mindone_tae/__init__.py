"""Movie Gen's Temporal Autoencoder (TAE) for MindSpore, as a plugin of MindONE.

Importing the package imports no MindSpore; the names below do, when they are first used.
"""

from importlib import import_module

from . import zoo
from .version import __version__

_LAZY = {
    "TemporalAutoencoder": ".models.autoencoder",
    "TAE_CONFIG": ".models.autoencoder",
    "scale_latents": ".models.latent_scaling",
    "unscale_latents": ".models.latent_scaling",
}

__all__ = ["__version__", "zoo", *_LAZY]


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name], __name__), name)


def __dir__():
    return sorted({*globals(), *_LAZY})
