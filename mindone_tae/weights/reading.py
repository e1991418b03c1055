"""Reading weights of every supported format."""

from __future__ import annotations

import json
import logging
import math
import os

import numpy as np

from mindone_tae.zoo.errors import UserError

from .architecture import SHARED_KEYS
from .finding import SHIPPED, Found, find_weights, read_json
from .formats.first_bytes import TORCH_SUFFIXES, looks_pickled
from .formats.safetensors import open_safetensors
from .formats.stored import Stored
from .formats.torch import open_torch
from .name_lists import shortened
from .name_maps import Renamed, rename

_logger = logging.getLogger(__name__)

# The largest checkpoints that hold a VAE and other networks have a few thousand.
_MOST_TENSORS = 50_000
# Numbers of a 3x3 convolution for each pair of channels; every block of these networks has at least one of those.
_NUMBERS_A_PAIR = 9


def open_weights(path: str | os.PathLike, ema: bool | None = None) -> Stored:
    """The weights at a path, under the names in the file; see `find_weights` for the paths and `ema`.

    Raises:
        UserError: no such path, or a damaged file.
    """
    return open_found(find_weights(path, ema))


def open_found(found: Found) -> Stored:
    """The weights in these files, under the names in them.

    Raises:
        UserError: a damaged file.
    """
    config = read_json(found.config_path) if found.config_path else {}
    if not isinstance(config, dict):
        raise UserError(f"{found.config_path}: it is not a JSON object: download it again")
    tensors, metadata = {}, {}
    for file in found.files:
        stored = _open_file(file)
        twice = sorted(tensors.keys() & stored.tensors.keys())
        if twice:
            raise UserError(f"{found.path}: {shortened(twice)} lie in more than one of its files: download it again")
        tensors.update(stored.tensors)
        metadata.update(stored.metadata)
    return Stored(found.files[0] if len(found.files) == 1 else found.path, tensors, metadata, config)


def open_renamed(path: str | os.PathLike, ema: bool | None = None) -> tuple[Stored, Renamed]:
    """The weights at a path, and our names for them; tensors left out are logged.

    Raises:
        UserError: as `open_weights`, and for two tensors that claim one name.
    """
    stored = open_weights(path, ema)
    return stored, our_names(stored)


def our_names(stored: Stored) -> Renamed:
    """Our names for weights; tensors left out are logged.

    Raises:
        UserError: for two tensors that claim one name.
    """
    if len(stored.tensors) > _MOST_TENSORS:
        raise UserError(
            f"{stored.path}: it holds {len(stored.tensors)} tensors; {_MOST_TENSORS} at most are read: "
            "give a VAE's weights"
        )
    renamed = rename({name: tensor.shape for name, tensor in stored.tensors.items()})
    if renamed.clashes:
        raise UserError(f"{stored.path}: {shortened(renamed.clashes)}: save it again with each once")
    for reason in sorted(set(renamed.skipped.values())):
        names = [name for name, why in renamed.skipped.items() if why == reason]
        _logger.info("%s: left out %d tensors, %s: %s", stored.path, len(names), reason, shortened(names))
    return renamed


def read_weights(path: str | os.PathLike, ema: bool | None = None) -> dict[str, np.ndarray]:
    """Our parameter names to arrays, float32, float16 or bfloat16 (as ml_dtypes has it) as the file holds them.

    Args:
        path: as `load_weights` takes it.
        ema: as `load_weights` takes it.

    Raises:
        UserError: no such path, or a file that is damaged or holds more than tensors.
    """
    stored, renamed = open_renamed(path, ema)
    return {name: stored.tensors[source].read().reshape(shape) for name, (source, shape) in renamed.kept.items()}


def read_metadata(path: str | os.PathLike) -> dict[str, str]:
    """The metadata saved with weights, str to str; see `load_weights` for the paths."""
    return dict(open_weights(path).metadata)


def read_model(path: str | os.PathLike) -> dict:
    """The model that weights belong to, from the metadata of training or inflation, or from a diffusers config.json.

    Args:
        path: as `load_weights` takes it.

    Returns:
        Constructor keywords, with `name` in weights of a training run; {} where the file does not say.

    Raises:
        UserError: as `read_weights`, and for metadata that is not a JSON object.
    """
    return noted_model(open_weights(path))


def shipped_model(section: dict) -> dict:
    """The `read_model` of the shipped weights that a model section's `pretrained` names; {} where it names others.

    The model takes its sizes from there, whatever the section says.
    """
    pretrained = section.get("pretrained")
    return read_model(pretrained) if isinstance(pretrained, str) and pretrained in SHIPPED else {}


def noted_model(stored: Stored) -> dict:
    """`read_model` of weights that are open already."""
    noted = stored.metadata.get("model") or stored.metadata.get("config")
    if noted is None:
        return {key: stored.config[key] for key in SHARED_KEYS if stored.config.get(key) is not None}
    try:
        section = dict(json.loads(noted))
    except (ValueError, TypeError, RecursionError) as error:
        raise UserError(
            f"{stored.path}: its note of the model is no JSON object ({error}): give the model's keywords yourself"
        ) from None
    return {key: value for key, value in section.items() if key != "pretrained"}


def check_note(stored: Stored, noted: dict) -> None:
    """Refuses a note of a network that its file's tensors are too few for: it would be built, and may fill the memory.

    Args:
        stored: the weights.
        noted: as `noted_model` gives it.

    Raises:
        UserError: the note does not fit.
    """
    widths, layers = noted.get("block_out_channels"), noted.get("layers_per_block", 1)
    if noted.get("name", "tae") != "tae" or not isinstance(widths, list) or type(layers) is not int:
        return
    if not all(type(width) is int for width in widths):
        return  # which the recipe's check tells
    held = sum(math.prod(tensor.shape) for tensor in stored.tensors.values())
    if _NUMBERS_A_PAIR * layers * sum(width**2 for width in widths) > held:
        told = f"block_out_channels is {shortened(map(str, widths))} and layers_per_block {layers}"
        raise UserError(
            f"{stored.path}: it says that {told}, and its tensors have {held} numbers, too few for that: "
            "download or copy it again"
        )


def _open_file(file):
    try:
        if file.suffix == ".safetensors":
            return open_safetensors(file)
        with open(file, "rb") as opened:
            pickled = looks_pickled(opened.read(4))
        if pickled or file.suffix in TORCH_SUFFIXES:  # a .ckpt may be MindSpore's or PyTorch's
            return open_torch(file)
        from .formats.ckpt import open_ckpt  # MindSpore is imported only where its own format is read

        return open_ckpt(file)
    except OSError as error:
        raise UserError(f"{file}: it cannot be read: {error.strerror}: check its permissions and its disk") from error
