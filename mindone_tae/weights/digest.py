"""The checksum that identifies weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from .name_maps import strip_wrappers
from .saving import as_arrays


def weights_sha256(model) -> str:
    """sha256 of a model's parameters, independent of the file and format they came from.

    Args:
        model: a Cell; anything else counts as a model without parameters.

    Returns:
        64 hexadecimal digits, of each parameter's name, type, shape and numbers, in the order of the names.
    """
    found = model.parameters_and_names() if hasattr(model, "parameters_and_names") else ()
    parameters = {strip_wrappers(name): parameter for name, parameter in found}
    # One at a time, so that the model's parameters are never in memory twice.
    return arrays_sha256((name, as_arrays({name: parameters[name]})[name]) for name in sorted(parameters))


def arrays_sha256(named_arrays: Iterable[tuple[str, np.ndarray]]) -> str:
    """sha256 of tensors, independent of the file and format they came from.

    Args:
        named_arrays: (name, array) pairs, sorted by name.

    Returns:
        64 hexadecimal digits, of each tensor's name, type, shape and numbers.
    """
    digest = hashlib.sha256()
    for name, array in named_arrays:
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
    return digest.hexdigest()
