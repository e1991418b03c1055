"""Loads weights into a model: all of them, or one error that lists every difference."""

from __future__ import annotations

import logging
import os
from typing import NamedTuple

import numpy as np

import mindspore as ms

from mindone_tae.zoo.errors import UserError

from .formats.stored import Stored
from .name_lists import shortened
from .name_maps import Renamed, strip_wrappers
from .reading import open_renamed

_logger = logging.getLogger(__name__)


class Differences(NamedTuple):
    """Our names of the tensors in which weights and a model differ.

    Attributes:
        missing: in the model only.
        unexpected: in the weights only.
        misshapen: in both, with different shapes.
    """

    missing: list[str]
    unexpected: list[str]
    misshapen: list[str]


def load_weights(model: ms.nn.Cell, path: str | os.PathLike, strict: bool = True, ema: bool | None = None) -> None:
    """Sets a model's parameters; float16 and bfloat16 weights become the parameters' own type.

    Args:
        model: a Cell.
        path: a .safetensors, .ckpt, .bin, .pt or .pth file; a diffusers folder; a training run's folder; a folder
            holding one such file; or "organisation/name" or "organisation/name/subfolder" on Hugging Face.
        strict: False only warns of names that are missing, unexpected or of another shape, and sets the rest.
        ema: of a training run, the averaged weights (True), the plain ones (False), or the averaged ones where there
            are any (None).

    Raises:
        UserError: no such path; a file that is damaged or holds more than tensors; or, with `strict`, names or shapes
            that do not match, all of them listed.
    """
    load_stored(model, *open_renamed(path, ema), strict)


def load_stored(
    model: ms.nn.Cell, stored: Stored, renamed: Renamed, strict: bool = True, remedy: str | None = None
) -> Differences:
    """Sets a model's parameters to weights that are open already.

    Args:
        model: a Cell.
        stored: the weights.
        renamed: our names for them.
        strict: as `load_weights` takes it.
        remedy: of what does not fit, for the error; None: by what it is.

    Returns:
        What did not fit; with `strict`, nothing.

    Raises:
        UserError: with `strict`, names or shapes that do not match, all of them listed.
    """
    # by their place in the model: Parameter.name changes with the Cell that the model was put into
    parameters = {strip_wrappers(name): parameter for name, parameter in model.parameters_and_names()}
    shapes = {name: shape for name, (_, shape) in renamed.kept.items()}
    differences = Differences(
        [name for name in parameters if name not in shapes],
        [name for name in shapes if name not in parameters],
        [name for name in parameters if name in shapes and shapes[name] != tuple(parameters[name].shape)],
    )
    if any(differences):
        told = _told(differences, parameters, shapes)
        message = f"{stored.path}: its weights do not fit {type(model).__name__}: {told}"
        if strict:
            raise UserError(f"{message}: {remedy or _remedy(parameters, shapes, differences.misshapen, stored.path)}")
        _logger.warning("%s: the rest is loaded", message)
    fitting = [name for name in parameters if name in shapes and name not in differences.misshapen]
    for name in fitting:  # one at a time, so that the file is never in memory as a whole
        source, shape = renamed.kept[name]
        set_parameters(parameters, {name: stored.tensors[source].read().reshape(shape)})
    return differences


def set_parameters(parameters: dict[str, ms.Parameter], arrays: dict[str, np.ndarray]) -> None:
    """Sets parameters to arrays, cast to each parameter's type.

    Args:
        parameters: name to Parameter.
        arrays: some of these names to arrays of the same shape.
    """
    for name, array in arrays.items():
        parameters[name].set_data(_tensor(array).astype(parameters[name].dtype))


def _tensor(array):
    # all others only some versions of MindSpore take from NumPy, if any
    if array.dtype not in (np.float16, np.float32, np.float64):
        array = array.astype(np.float32)
    return ms.Tensor(array)


def _told(differences, parameters, shapes):
    of_other_shape = [
        f"{name} is {shapes[name]} in the file and {tuple(parameters[name].shape)} in the model"
        for name in differences.misshapen
    ]
    kinds = (
        ("missing", differences.missing),
        ("unexpected", differences.unexpected),
        ("of another shape", of_other_shape),
    )
    return "; ".join(f"{len(names)} {kind} ({shortened(names)})" for kind, names in kinds if names)


def _remedy(parameters, shapes, misshapen, path):
    if any(".conv_temp." in name for name in parameters) and "encoder.conv_in.weight" in shapes:
        return (
            "this is an image VAE: make a video one of it with "
            f"mindone-tae inflate --src {path} --target tae.safetensors"
        )
    if len(misshapen) and len(shapes.keys() & parameters.keys()) == len(parameters):
        return "build the model with the file's widths (block_out_channels, latent_channels)"
    return (
        "give the file that this model was saved to; what fits is loaded by "
        "mindone_tae.weights.load_weights(model, path, strict=False)"
    )
