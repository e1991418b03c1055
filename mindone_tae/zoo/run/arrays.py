"""Parameters as arrays by name, to a file and back."""

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


def arrays_of(parameters: dict[str, ms.Parameter]) -> dict[str, np.ndarray]:
    """Name to array of parameters by name."""
    return {name: np.atleast_1d(parameter.asnumpy()).reshape(parameter.shape) for name, parameter in parameters.items()}


def restore(parameters: dict[str, ms.Parameter], arrays: dict[str, np.ndarray], source: object) -> None:
    """Sets parameters from arrays; every one must be there with its shape.

    Args:
        parameters: name to MindSpore parameter.
        arrays: name to array.
        source: what the arrays came from, for the error.

    Raises:
        UserError: names or shapes do not match; how many, and the first few of them.
    """
    problems = []
    for name, parameter in parameters.items():
        found = arrays.get(name)
        if found is None:
            problems.append(f"{name} is missing")
        elif tuple(found.shape) != tuple(parameter.shape):
            problems.append(f"{name} is {found.shape}, the model has {tuple(parameter.shape)}")
    if problems:
        more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        shown = "; ".join([*problems[:_SHOWN], *more])
        count = f"{len(problems)} of {len(parameters)} parameters"
        raise UserError(
            f"{source} does not fit this recipe in {count}: {shown}: "
            "use the recipe it was made with, or start afresh in another folder"
        )
    for name, parameter in parameters.items():
        parameter.set_data(ms.Tensor(arrays[name], dtype=parameter.dtype))
