"""Metadata of exported files, for users who have only the file."""

from __future__ import annotations

import json
import os


def facts(model, weights: str, sha256: str) -> dict[str, str]:
    """Metadata of an exported file by name.

    Args:
        model: a TemporalAutoencoder.
        weights: path or name of its weights.
        sha256: checksum of its parameters.
    """
    ratio = 2**model.halvings
    widths = {
        "in_channels": model.in_channels,
        "out_channels": model.decoder.conv_out.conv_spat.weight.shape[0],
        "latent_channels": model.latent_channels,
        "block_out_channels": list(model.block_out_channels),
        "layers_per_block": len(model.encoder.down[0].block),
        "norm_num_groups": model.encoder.norm_out.num_groups,
    }
    return {
        "model": json.dumps(widths),
        "time_ratio": str(ratio),
        "space_ratio": str(ratio),
        "pixels": "RGB in [-1, 1], axes (batch, channels, frames, height, width); an image is one frame; "
        "height and width are multiples of space_ratio",
        "latents": "unscaled: the decoder takes what the encoder gives, its mean or a sample, "
        "z = mean + exp(logvar / 2) * noise",
        "frames": "the decoder gives time_ratio frames for each latent one: drop those past what was encoded",
        "scaling_factor": repr(float(model.scaling_factor)),
        "shift_factor": repr(float(model.shift_factor)),
        "convention_mindone": "scaled = scaling_factor * z + shift_factor",
        "convention_diffusers": "scaled = (z - shift_factor) * scaling_factor",
        "weights": os.path.basename(os.path.normpath(weights)),
        "weights_sha256": sha256,
    }
