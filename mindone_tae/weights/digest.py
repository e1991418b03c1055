"""The checksum that tells weights from others."""

from __future__ import annotations

import hashlib

import numpy as np

from .name_maps import strip_wrappers
from .saving import as_arrays


def weights_sha256(model) -> str:
    """sha256 of a model's parameters, the same whatever file and format they came in.

    Args:
        model: a Cell; of anything else, which has no parameters, the checksum of none.

    Returns:
        64 hexadecimal digits, of each parameter's name, type, shape and numbers, in the order of the names.
    """
    parameters = dict(model.parameters_and_names()) if hasattr(model, "parameters_and_names") else {}
    parameters = sorted(
        ((strip_wrappers(name), parameter) for name, parameter in parameters.items()), key=lambda entry: entry[0]
    )
    # One at a time: a model's numbers never lie in memory twice.
    return arrays_sha256((name, as_arrays({name: parameter})[name]) for name, parameter in parameters)


def arrays_sha256(named_arrays) -> str:
    """sha256 of tensors, whatever file and format they came in.

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
