"""The checksum that tells one model's weights from another's."""

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
    digest = hashlib.sha256()
    parameters = dict(model.parameters_and_names()) if hasattr(model, "parameters_and_names") else {}
    for name, parameter in sorted(parameters.items(), key=lambda entry: strip_wrappers(entry[0])):
        array = as_arrays({name: parameter})[name]  # one at a time: a model's numbers never lie in memory twice
        digest.update(f"{strip_wrappers(name)} {array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
    return digest.hexdigest()
