"""An image VAE made into a Temporal Autoencoder that computes the same on one frame (Movie Gen, section 3.1.1).

Every spatial layer takes the image VAE's weights; every temporal one keeps a new TAE's initial values: convolutions
pass the centre frame, attention adds zero. A halving of time may average its two frames instead: also the same on one
frame, and a latent then stands for all of its eight frames and not for the first alone.
"""

from __future__ import annotations

import logging
import math
import os
import re
import time
from binascii import crc32
from pathlib import Path
from typing import Callable, NamedTuple

import numpy as np

from mindone_tae.models.autoencoder import TemporalAutoencoder
from mindone_tae.models.baselines.sd3_vae import SD3VAE
from mindone_tae.zoo.errors import UserError

from ..architecture import architecture
from ..diffusers_folder import save_diffusers_folder
from ..finding import find_weights
from ..loading import load_stored, load_weights
from ..name_lists import shortened
from ..name_maps import Renamed, inflated_name, is_temporal, network_of
from ..reading import noted_model, open_renamed
from ..saving import as_arrays, check_target, is_folder, save_weights
from .check import check_inflation

_logger = logging.getLogger(__name__)

# The class named in config.json of a diffusers folder; `mindone_tae.hosts` defines it.
_FOLDER_CLASS = "AutoencoderKLTAE"
# Temporal attention's random projections; they have no effect, as its output projection starts at zero.
_DRAWN = re.compile(r"\.attn_1\.1\.to_[qkv]\.weight$")
_HALVING = re.compile(r"\.downsample_temp\.conv\.weight$")
# What an output frame of a halving starts with of the frame before its own, its own and the one after.
TEMPORAL_DOWNSAMPLES = {"identity": (0.0, 1.0, 0.0), "average": (0.0, 0.5, 0.5)}


class Inflation(NamedTuple):
    """Result of `inflate`.

    Attributes:
        config: constructor keywords of the TAE.
        used: the source's name to the TAE's.
        skipped: the source's name to the reason.
        started: the TAE's temporal parameters, with a new TAE's initial values.
    """

    config: dict
    used: dict[str, str]
    skipped: dict[str, str]
    started: list[str]


def inflate(
    src: str | os.PathLike,
    target: str | os.PathLike,
    check: bool = False,
    norm_num_groups: int | None = None,
    report: Callable[[str], None] = _logger.info,
    temporal_downsample: str = "identity",
) -> Inflation:
    """Writes a TAE inflated from an image VAE.

    Args:
        src: an SD3.5 VAE, in diffusers' layout (a file, a `vae/` folder, sharded or not) or the original one (its own
            file or a whole checkpoint, also PyTorch's own .bin, .pt or .pth), float32, float16 or bfloat16; or
            "organisation/name" on Hugging Face.
        target: .safetensors, .ckpt, or a folder to write in the layout of diffusers; float32.
        check: load the result, and compare it with the image VAE on generated images.
        norm_num_groups: groups of the norms, needed where they are not 32 and no config.json says so.
        report: takes lines of text for the user.
        temporal_downsample: what each halving of time starts with: "identity" keeps the first of two frames
            (published), "average" takes their mean, which reconstructs motion better before any training.

    Returns:
        Inflation.

    Raises:
        UserError: the source is not a complete image VAE of this kind, the target's name fits no format, the target
            would replace the source or another model's config.json, or temporal_downsample is unknown. Nothing is
            written then.
        RuntimeError: the check found a difference.
    """
    started_at = time.monotonic()
    check_target(target)
    if temporal_downsample not in TEMPORAL_DOWNSAMPLES:
        known = " or ".join(map(repr, TEMPORAL_DOWNSAMPLES))
        raise UserError(f"temporal_downsample is {temporal_downsample!r}; it must be {known}: the first is published")
    _check_replaces_nothing(src, target)
    stored, renamed = open_renamed(src)
    renamed = _vae_part(renamed)
    shapes = {name: shape for name, (_, shape) in renamed.kept.items()}
    quant = [name for name in shapes if network_of(name).endswith("quant_conv")]
    try:
        if any(is_temporal(name) for name in shapes):
            raise UserError("it is a TAE already: load it as it is")
        if quant:
            raise UserError(f"it has {shortened(quant)}, as older VAEs have and SD3.5's has not: give an SD3.5 VAE")
        config = architecture(shapes, stored.config or noted_model(stored), norm_num_groups)
        vae, tae = SD3VAE(**config), TemporalAutoencoder(**config)
    except ValueError as error:
        raise UserError(f"{stored.path}: {error}") from error
    load_stored(vae, stored, renamed, remedy="give a whole SD3.5 VAE, with its config.json if it has one")
    taps = TEMPORAL_DOWNSAMPLES[temporal_downsample]
    image = {inflated_name(name): array for name, array in as_arrays(vae).items()}
    arrays = {n: _started(n, array, taps) if is_temporal(n) else image[n] for n, array in as_arrays(tae).items()}
    done = Inflation(
        config,
        {source: inflated_name(name) for name, (source, _) in renamed.kept.items()},
        renamed.skipped,
        list(filter(is_temporal, arrays)),
    )
    _tell(done, stored.path, temporal_downsample, report)
    _save(arrays, target, config)
    report(f"wrote {target} in {time.monotonic() - started_at:.1f} s")
    if check:
        load_weights(tae, target)
        check_inflation(tae, vae, report)
    return done


def _check_replaces_nothing(src, target):
    files = {file.resolve() for file in find_weights(src).files}
    where, config = Path(target).resolve(), Path(target, "config.json")
    if where in files or (is_folder(target) and where in {file.parent for file in files}):
        raise UserError(f"target is {target}, and the image VAE there would be replaced: choose another name")
    if is_folder(target) and config.is_file() and f'"{_FOLDER_CLASS}"' not in config.read_text(errors="replace"):
        raise UserError(f"target is {target}, and another model's config.json there would be replaced: choose another")


def _started(name, array, halving_taps):
    """A temporal parameter's initial value; random ones are seeded by the name, the same at every call."""
    if _HALVING.search(name):
        return array[..., 1:2] * np.array(halving_taps, np.float32)
    if not _DRAWN.search(name):
        return array
    bound = 1 / math.sqrt(array.shape[1])
    return np.random.default_rng(crc32(name.encode())).uniform(-bound, bound, array.shape).astype(np.float32)


def _vae_part(renamed):
    """The VAE's names; those of other networks are skipped."""
    kept, skipped = {}, dict(renamed.skipped)
    for name, (source, shape) in renamed.kept.items():
        network = network_of(name)
        if network in ("encoder", "decoder", "quant_conv", "post_quant_conv"):
            kept[name] = (source, shape)
        else:
            skipped[source] = f"of another network ({network})"
    return Renamed(kept, skipped, [])


def _tell(done, path, temporal_downsample, report):
    widths = ", ".join(map(str, done.config["block_out_channels"]))
    report(f"{path}: an image VAE of widths {widths}, {done.config['latent_channels']} latent channels")
    report(
        f"{len(done.used)} tensors used, {len(done.skipped)} skipped; "
        f"{len(done.started)} temporal parameters start as the identity"
        + (", halvings of time as averages" if temporal_downsample == "average" else "")
    )
    for reason in sorted(set(done.skipped.values())):
        names = [name for name, why in done.skipped.items() if why == reason]
        report(f"skipped {len(names)}, {reason}: {shortened(names)}")


def _save(arrays, target, config):
    if is_folder(target):
        save_diffusers_folder(arrays, Path(target), {"_class_name": _FOLDER_CLASS, **config})
    else:
        save_weights(arrays, target, {"config": config})
