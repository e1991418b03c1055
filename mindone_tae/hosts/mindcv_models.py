"""The autoencoders in mindcv's table of models: importing this module puts them there.

import mindcv
import mindone_tae.hosts.mindcv_models

tae = mindcv.create_model("tae", pretrained="tae.ckpt", dtype="float16")
"""

from __future__ import annotations

from mindcv.models.registry import register_model

from mindone_tae.models.autoencoder import TemporalAutoencoder
from mindone_tae.models.baselines.sd3_vae import SD3VAE
from mindone_tae.zoo.errors import UserError

__all__ = []  # mindcv adds the names it registers


@register_model
def tae(pretrained: bool | str = False, num_classes: int = 1000, in_channels: int = 3, **kwargs) -> TemporalAutoencoder:
    """The Temporal Autoencoder as mindcv builds its models.

    Args:
        pretrained: weights, as `TemporalAutoencoder` takes them; False for random ones. True is an error: mindcv has
            none to download.
        num_classes: not used: mindcv gives it to every model.
        in_channels: pixel channels in.
        **kwargs: what else `TemporalAutoencoder` takes.

    Raises:
        UserError: for pretrained=True.
        ValueError: as `TemporalAutoencoder`.
    """
    return TemporalAutoencoder(in_channels=in_channels, pretrained=_weights("tae", pretrained), **kwargs)


@register_model
def sd3_vae(pretrained: bool | str = False, num_classes: int = 1000, in_channels: int = 3, **kwargs) -> SD3VAE:
    """The image VAE of Stable Diffusion 3.5 as mindcv builds its models; arguments as for `tae`."""
    return SD3VAE(in_channels=in_channels, pretrained=_weights("sd3_vae", pretrained), **kwargs)


def _weights(name, pretrained):
    if pretrained is True:
        raise UserError(
            f"pretrained is True; mindcv has no weights of {name} to download: give the file or folder, "
            f"create_model({name!r}, pretrained='weights.safetensors')"
        )
    return pretrained or None
