"""The widths and depths of an image VAE, from its config.json or from the shapes of its tensors."""

from __future__ import annotations

import re

from mindone_tae.models.published import TAE_CONFIG
from mindone_tae.zoo.errors import UserError

# The published network's constructor keywords, which SD3VAE, TemporalAutoencoder and a config.json of diffusers share.
PUBLISHED = {key: value for key, value in TAE_CONFIG.items() if key != "dropout"}
SHARED_KEYS = tuple(PUBLISHED)
_FACTORS = ("scaling_factor", "shift_factor")
# Keys of diffusers' AutoencoderKL that change the network, with the only values supported.
_REQUIRED = {
    "act_fn": "silu",
    "use_quant_conv": False,
    "use_post_quant_conv": False,
    "mid_block_add_attention": True,
    "latents_mean": None,
    "latents_std": None,
}
_BLOCK_TYPES = {"down_block_types": "DownEncoderBlock2D", "up_block_types": "UpDecoderBlock2D"}
_BLOCK = re.compile(r"encoder\.down\.(\d{1,2})\.block\.(\d{1,2})\.")


def architecture(shapes: dict[str, tuple[int, ...]], config: dict, norm_num_groups: int | None = None) -> dict:
    """Constructor keywords for an image VAE, and for the TAE inflated from it.

    Args:
        shapes: our names to shapes.
        config: a config.json of diffusers, or {}; its values take precedence over the shapes.
        norm_num_groups: groups of the norms; None takes the config's, or without one 32.

    Returns:
        Keywords to values.

    Raises:
        UserError: no image VAE, one of another kind, or groups that do not divide the widths.
    """
    _check_kind(config)
    found = {**_inferred(shapes), **{key: config[key] for key in SHARED_KEYS if config.get(key) is not None}}
    if norm_num_groups is not None:
        found["norm_num_groups"] = norm_num_groups
    _check_types(found)
    widths = found["block_out_channels"] = tuple(found["block_out_channels"])
    # it cannot be inferred from shapes, and every published VAE of this family has this number
    groups = found.setdefault("norm_num_groups", PUBLISHED["norm_num_groups"])
    if groups < 1 or any(width % groups for width in widths):
        raise UserError(
            f"norm_num_groups is {groups}; it must divide every width, and those are {widths}; it cannot be told from "
            "the shapes of the weights: give the one the VAE was trained with (--norm_num_groups), or its folder with "
            "config.json"
        )
    return found


def _inferred(shapes):
    blocks = [(int(match[1]), int(match[2])) for match in map(_BLOCK.match, shapes) if match]
    if not blocks:
        raise UserError(
            "no image VAE is in it: no name begins with encoder.down.0.block (or encoder.down_blocks.0.resnets): "
            "give an SD3.5 VAE"
        )
    widths = [_width(shapes, f"encoder.down.{level}") for level in range(max(level for level, _ in blocks) + 1)]
    return {
        "in_channels": _axis(shapes, 1, "encoder.conv_in.weight") or 3,
        "out_channels": _axis(shapes, 0, "decoder.conv_out.weight", "decoder.conv_out.bias") or 3,
        "latent_channels": _axis(shapes, 1, "decoder.conv_in.weight") or 16,
        "block_out_channels": widths,
        "layers_per_block": max(layer for _, layer in blocks) + 1,
    }


def _width(shapes, level):
    """The width of a level, from the first of its tensors that is present."""
    width = _axis(shapes, 0, *(f"{level}.block.{n}.{leaf}" for n in (0, 1) for leaf in ("conv1.weight", "norm2.gamma")))
    if width is None:
        raise UserError(
            f"the width of {level} cannot be told, as no tensor of {level}.block.0 is in it: give a whole SD3.5 VAE"
        )
    return width


def _axis(shapes, axis, *names):
    """The length of an axis of the first of these tensors that is present."""
    return next((shapes[name][axis] for name in names if len(shapes.get(name, ())) > axis), None)


def _check_kind(config):
    wrong = [
        f"{key} is {config[key]!r}, not {value!r}"
        for key, value in _REQUIRED.items()
        if config.get(key, value) != value
    ]
    for key, wanted in _BLOCK_TYPES.items():
        kinds = config.get(key) or ()
        kinds = kinds if isinstance(kinds, (list, tuple)) else [kinds]
        wrong += [f"{key} has {kind!r}, not {wanted!r}" for kind in sorted(set(map(str, kinds))) if kind != wanted]
    if wrong:
        raise UserError(
            f"config.json describes another kind of VAE than SD3.5's: {'; '.join(wrong)}: give an SD3.5 VAE"
        )


def _check_types(found):
    for key, value in found.items():
        if key == "block_out_channels":
            wanted, listed = "list of widths", value if isinstance(value, (list, tuple)) else ()
            right = listed and all(type(width) is int and width > 0 for width in listed)
        else:
            wanted, right = "number", type(value) is int or (key in _FACTORS and type(value) is float)
        if not right:
            raise UserError(f"config.json: {key} is {value!r}, which is no {wanted}: correct it")
