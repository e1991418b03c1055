"""The names under which stock pipelines read a VAE's config."""

from __future__ import annotations

from mindone.diffusers.configuration_utils import FrozenDict


class HostConfig(FrozenDict):
    """A model's config: the constructor's keywords as items, and what pipelines read as attributes.

    Only the items are saved, so that config.json holds no derived values that could contradict them.

    Args:
        given: the constructor's keywords.
        ratio: pixels a latent position stands for, in time, height and width alike.
    """

    def __init__(self, given: dict, ratio: int):
        super().__init__(given)
        channels = given["latent_channels"]
        # not setattr, which FrozenDict refuses
        vars(self).update(
            _ratio=ratio,
            # HunyuanVideo, EasyAnimate and Cosmos 1
            temporal_compression_ratio=ratio,
            spatial_compression_ratio=ratio,
            # Wan
            scale_factor_temporal=ratio,
            scale_factor_spatial=ratio,
            z_dim=channels,
            # Wan and Cosmos decode scaled * std + mean, which is the convention "diffusers": scaled / scale + shift
            latents_mean=given.get("latents_mean") or [given["shift_factor"]] * channels,
            latents_std=given.get("latents_std") or [1 / given["scaling_factor"]] * channels,
            # EasyAnimate: whether a video's first frame has a latent frame to itself, as in causal networks
            cache_mag_vae=False,
        )

    def __reduce__(self):
        """For pickle and copy: an OrderedDict's own would call the constructor without arguments."""
        return type(self), (dict(self), self._ratio), dict(vars(self))
