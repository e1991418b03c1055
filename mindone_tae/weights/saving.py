"""Saving weights, atomically."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import ml_dtypes
import numpy as np

from mindone_tae.zoo.atomic_file import replacing
from mindone_tae.zoo.errors import UserError

_TYPES = {"float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}


def save_weights(params, path: str | os.PathLike, metadata: dict | None = None, dtype: str | None = None) -> None:
    """Writes weights under a temporary name and moves the complete file into place.

    Args:
        params: a Cell, or name to NumPy array, Tensor or Parameter.
        path: .safetensors or .ckpt.
        metadata: stored in the file; strings as they are, anything else as JSON.
        dtype: "float32", "float16" or "bfloat16" to cast to; None keeps each tensor's own.

    Raises:
        UserError: another suffix or dtype, a type that the format does not have, or metadata that JSON does not have.
    """
    path = Path(path)
    writer = _writer(path)
    if dtype not in (None, *_TYPES):
        raise UserError(f"dtype is {dtype!r}; weights are saved as {', '.join(_TYPES)}: use one of those")
    arrays = {name: _cast(array, dtype) for name, array in as_arrays(params).items()}
    try:
        notes = {
            str(key): value if isinstance(value, str) else json.dumps(value) for key, value in (metadata or {}).items()
        }
    except TypeError as error:
        raise UserError(f"metadata is stored as JSON: {error}: give strings, numbers, lists and dicts") from None
    with replacing(path) as temporary:
        writer(temporary, arrays, notes)


def is_folder(target: str | os.PathLike) -> bool:
    """Whether a target's name means a folder: it is one, ends in a slash, or has no suffix."""
    text = os.fspath(target)
    return text.endswith(("/", os.sep)) or os.path.isdir(text) or not Path(text).suffix


def check_target(target: str | os.PathLike) -> None:
    """Raises UserError unless weights can be saved under this name, as a file or a folder."""
    if not is_folder(target):
        _writer(Path(target))
    elif os.path.isfile(target):
        raise UserError(
            f"{target}: it is a file, and without a suffix weights are saved into a folder: use another name"
        )


def as_arrays(params) -> dict[str, np.ndarray]:
    """Name to NumPy array (bfloat16 as ml_dtypes') from a Cell or from a mapping to arrays, Tensors or Parameters."""
    if hasattr(params, "parameters_and_names"):
        params = dict(params.parameters_and_names())
    if not isinstance(params, Mapping):
        kind = type(params).__name__
        raise UserError(f"params is a {kind}; it must be a Cell, or map names to arrays: give {{p.name: p, ...}}")
    return {name: _array(value) for name, value in params.items()}


def _array(value):
    if isinstance(value, np.ndarray):
        return value
    if not hasattr(value, "asnumpy"):
        return np.asarray(value)
    if str(value.dtype) == "BFloat16":  # only some versions of MindSpore have asnumpy for it
        return value.float().asnumpy().astype(ml_dtypes.bfloat16)
    return value.asnumpy()


def _cast(array, dtype):
    floating = array.dtype.kind == "f" or array.dtype == ml_dtypes.bfloat16
    return array.astype(_TYPES[dtype]) if dtype and floating else array


def _writer(path):
    if path.suffix == ".safetensors":
        from .formats.safetensors import write_safetensors

        return write_safetensors
    if path.suffix == ".ckpt":
        from .formats.ckpt import write_ckpt

        return write_ckpt
    raise UserError(
        f"{path}: weights are saved as .safetensors or .ckpt, and the name ends in {path.suffix or 'neither'}: "
        "use one of those"
    )
