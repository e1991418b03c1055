"""Reads pickles of NumPy arrays in nested dicts, as Flax's parameters are published, without running them."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mindone_tae.zoo.errors import UserError

from .inert_pickle import ForbiddenName, Name, Vocabulary, read_pickle
from .stored import MOST_AXES, Stored, StoredTensor, check_axes

# Types of plain numbers; "O", objects, is left out: those are pickles again.
_NUMBERS = re.compile(r"f[248]|[iu][1248]|b1")
# The arrays themselves are in the pickle.
_MOST_BYTES = 2**31


class _DType:
    def __init__(self, code, *_):
        if type(code) is not str or not _NUMBERS.fullmatch(code):
            told = code[:20] if type(code) is str else type(code).__name__
            raise ValueError(f"an array is of type {told}, which is no number")
        self.numpy = np.dtype(f"<{code}")

    def build(self, state):
        """(version, byte order, ...)."""
        if type(state) is not tuple or type(state[1]) is not str or state[1] not in ("<", "|"):
            raise ValueError("its numbers are not little-endian")


class _Array:
    """An array, empty until `build` sets shape, type and numbers."""

    def __init__(self, *_):
        self.shape, self.dtype, self.data, self.order = (), None, b"", "C"

    def build(self, state):
        """(version, shape, dtype, whether in Fortran's order, bytes)."""
        if type(state) is not tuple or len(state) != 5:
            raise ValueError("an array without shape, type and bytes")
        _, shape, dtype, fortran, data = state
        if not isinstance(dtype, _DType) or not isinstance(data, bytes):
            raise TypeError("an array without a type or without bytes")
        if type(shape) is not tuple or len(shape) > MOST_AXES or not all(_is_side(side) for side in shape):
            raise ValueError("an array whose shape is not one")
        if math.prod(shape) * dtype.numpy.itemsize != len(data):
            raise ValueError(f"an array of shape {shape} with {len(data)} bytes")
        self.shape, self.dtype, self.data, self.order = shape, dtype.numpy, data, "F" if fortran is True else "C"

    def read(self):
        return np.frombuffer(self.data, self.dtype).reshape(self.shape, order=self.order)


def _is_side(side):
    return type(side) is int and 0 <= side < 2**63


_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")  # before NumPy 2, and since
_NUMPY = Vocabulary(
    {**{Name(module, "_reconstruct"): _Array for module in _MODULES}, Name("numpy", "dtype"): _DType},
    frozenset({Name("numpy", "ndarray")}),
)


def open_numpy_pickle(file: BinaryIO, path: str | Path) -> Stored:
    """The arrays of a pickled dict of dicts, read into memory.

    Args:
        file: open for reading, at the pickle's first byte.
        path: as messages name it.

    Returns:
        Stored; a tensor's name is its keys from the outermost dict inwards, joined by "/".

    Raises:
        UserError: the pickle is damaged, or holds more than arrays.
    """
    try:
        content = read_pickle(file, vocabulary=_NUMPY, most_bytes=_MOST_BYTES)
        if not isinstance(content, dict):
            raise ValueError(f"it holds a {type(content).__name__}, not a dict")
        arrays = dict(_leaves(content, (), set()))
    except ForbiddenName as error:
        raise UserError(
            f"{path}: it asks for {error}, which a file of arrays does not need and could run code, so it is refused: "
            "take the file from where it was published"
        ) from None
    except (ValueError, EOFError, RecursionError) as error:
        raise UserError(f"{path}: not a whole pickle of arrays: {error}: download or copy it again") from None
    for name, array in arrays.items():
        check_axes(path, name, array.shape)
    return Stored(Path(path), {name: StoredTensor(array.shape, array.read) for name, array in arrays.items()}, {}, {})


def _leaves(content, keys, seen):
    """Yields (name, array) below a dict."""
    if id(content) in seen:  # nested in itself, or shared so often that traversal would take for ever
        raise ValueError("one dict lies in two places")
    seen.add(id(content))
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*keys, str(key)), seen)
        elif isinstance(value, _Array) and value.dtype is not None:
            yield "/".join((*keys, str(key))), value
