"""Weights in a file: names, shapes and types are read at once, numbers on demand."""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path
from typing import Callable, NamedTuple

import numpy as np

from mindone_tae.zoo.errors import UserError

# NumPy's own limit.
MOST_AXES = 32
_MOST_NUMBERS = 2**59


class StoredTensor(NamedTuple):
    """One tensor in a file.

    Attributes:
        shape: lengths of its axes.
        read: returns the array, of the type in the file; bfloat16 as ml_dtypes'.
        read_span: read_span(start, stop) reads that part of the second axis alone; None where the format does not
            allow it.
        type_name: of the numbers, by NumPy's name where it has one; "" where the format tells it only with the numbers.
    """

    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]
    read_span: Callable[[int, int], np.ndarray] | None = None
    type_name: str = ""


class Stored(NamedTuple):
    """The content of one source of weights.

    Attributes:
        path: the file or folder, as messages name it.
        tensors: name in the file to StoredTensor.
        metadata: the writer's metadata, str to str.
        config: a diffusers folder's config.json, or {}.
    """

    path: Path
    tensors: dict[str, StoredTensor]
    metadata: dict[str, str]
    config: dict


def written_type(name: str, array: np.ndarray, known: Collection[np.dtype], suffix: str) -> np.dtype:
    """An array's type, little-endian; raises UserError unless it is one of those that a format has."""
    dtype = array.dtype.newbyteorder("<")
    if dtype not in known:
        raise UserError(f"{name} is of type {dtype}; {suffix} has no such type: cast it to float32")
    return dtype


def check_axes(path: Path, name: str, shape: tuple[int, ...]) -> None:
    """Raises UserError for a tensor of more axes, or of longer ones, than an array can have."""
    if len(shape) > MOST_AXES:
        raise UserError(
            f"{path}: {name} has {len(shape)} axes; a tensor has {MOST_AXES} at most: download or copy it again"
        )
    # NumPy counts them so, where an axis of length 0 leaves no number at all
    if math.prod(max(side, 1) for side in shape) >= _MOST_NUMBERS:
        raise UserError(f"{path}: {name} is of shape {shape}, which no memory holds: download or copy it again")
