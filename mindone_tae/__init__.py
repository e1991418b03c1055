"""Movie Gen's Temporal Autoencoder (TAE) for MindSpore, as a plugin of MindONE.

Importing the package does not import MindSpore; the first use of a name below may.
"""

from . import zoo
from .lazy import lazy_names
from .version import __version__

_LAZY = {
    "TemporalAutoencoder": ".models.autoencoder",
    "TAE_CONFIG": ".models.published",
    "AutoencoderKLTAE": ".hosts",
    "scale_latents": ".models.latent.scaling",
    "unscale_latents": ".models.latent.scaling",
    "read_video": ".data.whole_video",
    "write_video": ".data.video_out.writer",
}

# model_index.json names this package for AutoencoderKLTAE, and mindone's loader wants to find the base class in it.
_FOR_LOADERS = {"ModelMixin": "mindone.diffusers"}

__all__ = ["__version__", "zoo", *_LAZY]

__getattr__, __dir__ = lazy_names(__name__, {**_LAZY, **_FOR_LOADERS})
