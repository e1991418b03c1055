"""Rules that map the names in files to the names of our parameters, and back.

An image VAE comes in three layouts. Ours is the original one except for norms:

    original    encoder.down.0.block.0.norm1.weight             prefixed by first_stage_model. in a whole checkpoint
    diffusers   encoder.down_blocks.0.resnets.0.norm1.weight    the decoder's levels counted from the deepest
    ours        encoder.down.0.block.0.norm1.gamma

A TAE has names of its own (`inflated_name`); its published checkpoint has the same, apart from wrappers' prefixes.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# What trainers and wrappers put before or into a name; the last two are torch.compile's and DistributedDataParallel's.
_LEADING = "autoencoder."
_INSIDE = re.compile(r"(?<![^.])(_backbone|_orig_mod|module)\.")
_AUTOENCODER = re.compile(rf"^({_INSIDE.pattern})*autoencoder\.")
# Where a whole checkpoint keeps its VAE, other networks beside it.
_VAE_PREFIXES = ("first_stage_model.", "vae.")
# Prefixes shared by several networks, which only the next part of the name tells apart.
_GROUPS_OF_NETWORKS = ("model", "text_encoders", "conditioner", "cond_stage_model")

# In every residual block of the published checkpoint; no code ever used it.
_DEAD = re.compile(r"\.temb_proj\.(weight|bias)$")
# What an optimizer and a training step keep beside the weights, under names of MindSpore's and mindone's.
_OF_TRAINING = re.compile(
    r"^((moment[12]?|moments|adam_[mv]|exp_avg(_sq)?|accum|grad_accumulated_\w*|ema|ema_weight|swap_cache|vhat)\.|"
    r"(beta[12]_power|global_step|learning_rate|scale_sense|current_iterator_step|last_overflow_iterator_step|cur_step|"
    r"epoch_num|step_num|loss_scale|accum_step|ema_decay|updates)$)"
)
# A norm's numbers are gamma and beta with MindSpore and here, weight and bias with PyTorch.
_TORCH_NORM = re.compile(r"(^|\.)(norm|norm1|norm2|norm_out)\.(weight|bias)$")
_OUR_NORM = re.compile(r"\.(gamma|beta)$")
_NORM_LEAVES = {"weight": "gamma", "bias": "beta", "gamma": "weight", "beta": "bias"}
# A temporal kernel is (o, i, k) with PyTorch and (o, i, 1, k) here.
_TEMPORAL_KERNEL = re.compile(r"\.(conv_temp|downsample_temp\.conv|upsample_temp\.conv)\.weight$")
# Attention's projections are linear, (o, i), with diffusers and 1x1 convolutions, (o, i, 1, 1), here.
_PROJECTION = re.compile(r"\.mid\.attn_1(\.0)?\.(q|k|v|proj_out)\.weight$")

_UP_BLOCK = re.compile(r"^decoder\.up_blocks\.(\d{1,2})\.")
_MID_BLOCK = re.compile(r"\.mid_block\.resnets\.(\d{1,2})\.")
_DIFFUSERS_PARTS = {
    "encoder.down_blocks.": "encoder.down.",
    ".resnets.": ".block.",
    ".conv_shortcut.": ".nin_shortcut.",
    ".downsamplers.0.": ".downsample.",
    ".upsamplers.0.": ".upsample.",
    ".mid_block.attentions.0.": ".mid.attn_1.",
    ".conv_norm_out.": ".norm_out.",
}
_DIFFUSERS_ATTENTION = {
    "group_norm": "norm",
    **dict.fromkeys(("to_q", "query"), "q"),
    **dict.fromkeys(("to_k", "key"), "k"),
    **dict.fromkeys(("to_v", "value"), "v"),
    **dict.fromkeys(("to_out.0", "proj_attn"), "proj_out"),
}
_ATTENTION = re.compile(rf"\.mid\.attn_1\.({'|'.join(map(re.escape, _DIFFUSERS_ATTENTION))})\.")

_INFLATED_CONV = re.compile(r"\.(conv_in|conv_out|conv1|conv2|nin_shortcut)\.(weight|bias)$")
_TEMPORAL = re.compile(r"\.(conv_temp|downsample_temp|upsample_temp|attn_1\.1)\.")


class Renamed(NamedTuple):
    """A file's tensors under our names.

    Attributes:
        kept: our name to (name in the file, our shape).
        skipped: name in the file to the reason.
        clashes: sentences on two tensors that claim one name.
    """

    kept: dict[str, tuple[str, tuple[int, ...]]]
    skipped: dict[str, str]
    clashes: list[str]


def strip_wrappers(name: str) -> str:
    """A parameter's name without the prefixes and parts that trainers and wrappers add."""
    return _INSIDE.sub("", name).removeprefix(_LEADING)


def rename(shapes: dict[str, tuple[int, ...]]) -> Renamed:
    """Our names for a file's tensors.

    Args:
        shapes: name in the file to shape.
    """
    stripped = {source: strip_wrappers(source) for source in shapes}
    skipped = {}
    prefix = next((p for p in _VAE_PREFIXES if any(name.startswith(p) for name in stripped.values())), "")
    # MindONE's GeneratorWithLoss holds the autoencoder, under that name, beside other networks
    trained = [source for source in shapes if _AUTOENCODER.search(source) and not _OF_TRAINING.search(source)]
    for source, name in stripped.items():
        beside = trained and not _AUTOENCODER.search(source) and not name.startswith(("encoder.", "decoder."))
        if _OF_TRAINING.search(source):
            skipped[source] = "of the optimizer or the training step"
        elif beside or not name.startswith(prefix):
            skipped[source] = f"of another network ({network_of(name)})"
        elif _DEAD.search(name):
            skipped[source] = "dead weight of the published checkpoint"
    stripped = {source: name.removeprefix(prefix) for source, name in stripped.items() if source not in skipped}
    levels = 1 + max((int(match[1]) for match in map(_UP_BLOCK.match, stripped.values()) if match), default=0)
    kept, clashes = {}, []
    for source, name in stripped.items():
        name = _TORCH_NORM.sub(
            lambda match: f"{match[1]}{match[2]}.{_NORM_LEAVES[match[3]]}", _from_diffusers(name, levels)
        )
        if name in kept:
            clashes.append(f"{kept[name][0]} and {source} are both {name}")
        kept[name] = (source, _our_shape(name, tuple(shapes[source])))
    return Renamed(kept, skipped, clashes)


def network_of(name: str) -> str:
    """The prefix of a name that says which network of a whole checkpoint a tensor belongs to."""
    parts = name.split(".")
    return ".".join(parts[:2] if parts[0] in _GROUPS_OF_NETWORKS and len(parts) > 2 else parts[:1])


def torch_layout(arrays: dict) -> dict:
    """Our arrays by name as PyTorch has them: norms' weight and bias, temporal kernels (o, i, k)."""
    return {
        _OUR_NORM.sub(lambda match: f".{_NORM_LEAVES[match[1]]}", name): array.squeeze(2)
        if _TEMPORAL_KERNEL.search(name)
        else array
        for name, array in arrays.items()
    }


def inflated_name(name: str) -> str:
    """A TAE's name for an image VAE's parameter: encoder.conv_in.weight becomes encoder.conv_in.conv_spat.weight."""
    name = _INFLATED_CONV.sub(r".\1.conv_spat.\2", name)
    name = name.replace(".downsample.", ".downsample_spat.").replace(".upsample.", ".upsample_spat.")
    return name.replace(".mid.attn_1.", ".mid.attn_1.0.")


def is_temporal(name: str) -> bool:
    """Whether a TAE's parameter has no counterpart in an image VAE."""
    return bool(_TEMPORAL.search(name))


def _from_diffusers(name, levels):
    name = _UP_BLOCK.sub(lambda match: f"decoder.up.{levels - 1 - int(match[1])}.", name)
    name = _MID_BLOCK.sub(lambda match: f".mid.block_{int(match[1]) + 1}.", name)
    for theirs, ours in _DIFFUSERS_PARTS.items():
        name = name.replace(theirs, ours)
    return _ATTENTION.sub(lambda match: f".mid.attn_1.{_DIFFUSERS_ATTENTION[match[1]]}.", name)


def _our_shape(name, shape):
    if len(shape) == 3 and _TEMPORAL_KERNEL.search(name):
        return (*shape[:2], 1, shape[2])
    if len(shape) == 2 and _PROJECTION.search(name):
        return (*shape, 1, 1)
    return shape
