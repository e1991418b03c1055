"""Parameters as arrays by name, to a file and back."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file

import mindspore as ms

from ..errors import UserError

# Most mismatches listed by name: one changed width causes one for nearly every parameter.
_SHOWN = 2


def read_arrays(path: str | Path, remedy: str | None = "use an earlier checkpoint") -> dict[str, np.ndarray]:
    """Name to array of a safetensors file.

    Args:
        path: the file.
        remedy: for the error; None where the caller says it.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        # the last three are raised for types that NumPy lacks
        rule = f"; it must be a whole safetensors file: {remedy}" if remedy else ""
        raise UserError(f"{path} cannot be read: {error}{rule}") from error


def read_metadata(path: str | Path) -> dict[str, str]:
    """A safetensors file's metadata, name to text."""
    with safe_open(path, "np") as file:
        return file.metadata() or {}


def arrays_of(
    parameters: Iterable[ms.Parameter], rename: Callable[[str], str] = lambda name: name
) -> dict[str, np.ndarray]:
    """Name to array of parameters."""
    return {
        rename(parameter.name): np.atleast_1d(parameter.asnumpy()).reshape(parameter.shape) for parameter in parameters
    }


def restore(
    parameters: Iterable[ms.Parameter],
    arrays: dict[str, np.ndarray],
    source: object,
    rename: Callable[[str], str] = lambda name: name,
) -> None:
    """Sets parameters from arrays; every one must be there with its shape.

    Args:
        parameters: MindSpore parameters.
        arrays: name to array.
        source: what the arrays came from, for the error.
        rename: from a parameter's name to the array's.

    Raises:
        UserError: names or shapes do not match; how many, and the first few of them.
    """
    parameters = list(parameters)
    problems = []
    for parameter in parameters:
        found = arrays.get(rename(parameter.name))
        if found is None:
            problems.append(f"{rename(parameter.name)} is missing")
        elif tuple(found.shape) != tuple(parameter.shape):
            problems.append(f"{rename(parameter.name)} is {found.shape}, the model has {tuple(parameter.shape)}")
    if problems:
        more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        shown = "; ".join([*problems[:_SHOWN], *more])
        count = f"{len(problems)} of {len(parameters)} parameters"
        raise UserError(
            f"{source} does not fit this recipe in {count}: {shown}: "
            "use the recipe it was made with, or start afresh in another folder"
        )
    for parameter in parameters:
        value = arrays[rename(parameter.name)]
        parameter.set_data(ms.Tensor(value, dtype=parameter.dtype))
