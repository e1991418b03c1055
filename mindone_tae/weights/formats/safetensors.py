"""The safetensors format: a length, a JSON header, and the numbers.

The library checks the header (types, offsets, no gaps, no overlaps). The numbers are read here, directly from the file:
of the library's two ways one reads a whole tensor for every slice (7.5 s for 250 slices of 64 MB), and the other maps
the file, so that a file truncated meanwhile kills the process. Writing is done here too: the library writes to a
temporary name of its own, which a killed process leaves behind.
Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
import stat
import struct
from collections import Counter
from functools import partial
from pathlib import Path

import ml_dtypes
import numpy as np
from safetensors import SafetensorError, safe_open

from mindone_tae.zoo.errors import UserError

from .first_bytes import damaged
from .stored import Stored, StoredTensor, check_axes, written_type

_DTYPES = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_METADATA = "__metadata__"
_LENGTH_BYTES = 8
# The format's own limit.
_HEADER_MAX_BYTES = 100_000_000

_damaged = partial(damaged, ".safetensors")


def open_safetensors(path: Path) -> Stored:
    """Reads the header; the numbers stay in the file.

    Raises:
        UserError: the file is incomplete, or holds a tensor twice.
    """
    state = path.stat()
    if not stat.S_ISREG(state.st_mode):
        raise UserError(f"{path}: it is no file: name one")  # opening a pipe would wait for ever
    size = state.st_size
    with open(path, "rb") as file:
        header_bytes = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if size < _LENGTH_BYTES:
            raise _damaged(path, f"it has {size} bytes, too few for a header")
        if header_bytes > min(size - _LENGTH_BYTES, _HEADER_MAX_BYTES):
            raise _damaged(path, f"its header claims {header_bytes} bytes and the file has {size}")
        text = file.read(header_bytes)
    try:
        with safe_open(path, "numpy", backend="pread"):
            pass  # the check alone is wanted
    except SafetensorError as error:
        what = str(error).removeprefix("Error while deserializing header: ")
        raise _damaged(path, _beyond(text, size) or what) from None
    header = json.loads(text, object_pairs_hook=lambda pairs: _object(path, pairs))
    metadata = header.pop(_METADATA, None) or {}
    tensors = {}
    for name, entry in header.items():
        if type(entry) is not dict or type(entry["dtype"]) is not str:  # forms that the library takes too
            raise _damaged(path, f"its header describes {name} in a form that the format does not have")
        shape = tuple(entry["shape"])
        check_axes(path, name, shape)
        begin = _LENGTH_BYTES + header_bytes + entry["data_offsets"][0]
        tensors[name] = _tensor(path, name, shape, entry["dtype"], begin)
    return Stored(path, tensors, metadata, {})


def _beyond(text, size):
    """Text about a tensor in the header that ends past the end of the file, which was truncated; None without one."""
    try:
        entries = {name: entry["data_offsets"][1] for name, entry in json.loads(text).items() if name != _METADATA}
        name = max(entries, key=entries.get)
        end = _LENGTH_BYTES + len(text) + entries[name]
        return f"{name} ends at byte {end} and the file at byte {size}" if end > size else None
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return None  # the library's message says what is wrong


def _object(path, pairs):
    """An object of the header; of a name that occurs twice, the library takes the last."""
    twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    if twice:
        raise _damaged(path, f"its header holds {twice[0]} twice")
    return dict(pairs)


def write_safetensors(path: str | Path, arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    """Writes a file; the largest types come first, so that every tensor is aligned.

    Args:
        path: the name written to.
        arrays: name to array.
        metadata: str to str.

    Raises:
        UserError: for a type the format does not have.
    """
    header, offset = {_METADATA: dict(metadata)} if metadata else {}, 0
    order = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    for name in order:
        dtype = written_type(name, arrays[name], _NAMES, ".safetensors")
        end = offset + arrays[name].size * dtype.itemsize
        header[name] = {"dtype": _NAMES[dtype], "shape": list(arrays[name].shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            array = arrays[name]
            # a view as bytes: a copy would double the memory of an hour's latent
            file.write(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(-1).view(np.uint8).data)


def _tensor(path, name, shape, type_name, begin):
    """A tensor whose numbers begin at a byte of the file."""
    dtype = _DTYPES.get(type_name)

    def check_type():
        if dtype is None:
            raise UserError(
                f"{path}: {name} is of type {type_name}; it must be one of {', '.join(_DTYPES)}: convert it first"
            )

    def read():
        check_type()
        found = np.fromfile(path, dtype, math.prod(shape), offset=begin)
        if found.size != math.prod(shape):
            raise _damaged(path, f"it became shorter while {name} was read")
        return found.reshape(shape)

    def read_span(start, stop):
        check_type()
        found = np.empty((shape[0], stop - start, *shape[2:]), dtype)
        place_bytes = math.prod(shape[2:]) * dtype.itemsize
        with open(path, "rb") as file:
            for row, numbers in enumerate(found):
                file.seek(begin + (row * shape[1] + start) * place_bytes)
                if file.readinto(numbers.reshape(-1).view(np.uint8)) != numbers.nbytes:
                    raise _damaged(path, f"it became shorter while {name} was read")
        return found

    return StoredTensor(shape, read, read_span, type_name if dtype is None else dtype.name)
