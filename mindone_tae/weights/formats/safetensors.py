"""The safetensors format: a length, a JSON header, and the numbers.

Read here rather than by the library, whose NumPy front end knows no bfloat16, and so that a damaged file is told from a
whole one before anything is read. Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

import ml_dtypes
import numpy as np

from mindone_tae.zoo.errors import UserError

from .pickles import looks_pickled, refuse_pickle
from .stored import Stored, StoredTensor

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
# The format's own limit.
_HEADER_MAX_BYTES = 100_000_000


def open_safetensors(path: Path) -> Stored:
    """Reads the header; the numbers stay in the file.

    Raises:
        UserError: the file is not whole.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        start = file.read(8)
        if len(start) < 8:
            raise _damaged(path, f"it has {size} bytes, too few for a header")
        (header_bytes,) = struct.unpack("<Q", start)
        if header_bytes > min(size - 8, _HEADER_MAX_BYTES):
            raise _damaged(path, f"its header claims {header_bytes} bytes and the file has {size}", start)
        text = file.read(header_bytes)
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"its header is not JSON ({error})", start) from None
    if not isinstance(header, dict):
        raise _damaged(path, "its header is not a JSON object")
    metadata = header.pop("__metadata__", None) or {}
    if not isinstance(metadata, dict):
        raise _damaged(path, "its metadata is not a JSON object")
    data_start = 8 + header_bytes
    tensors = {name: _tensor(path, name, entry, data_start, size - data_start) for name, entry in header.items()}
    return Stored(path, tensors, {str(key): str(value) for key, value in metadata.items()}, {})


def write_safetensors(path, arrays, metadata):
    """Writes a file; the largest types come first, so that every tensor lies aligned.

    Args:
        path: the name written to.
        arrays: name to array.
        metadata: str to str.

    Raises:
        UserError: for a type the format does not have.
    """
    header, offset = {"__metadata__": dict(metadata)} if metadata else {}, 0
    order = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    for name in order:
        dtype = arrays[name].dtype.newbyteorder("<")
        if dtype not in _NAMES:
            raise UserError(f"{name} is of type {dtype}; safetensors has no such type: cast it to float32")
        end = offset + arrays[name].size * dtype.itemsize
        header[name] = {"dtype": _NAMES[dtype], "shape": list(arrays[name].shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            array = arrays[name]
            # as bytes where they lie: a copy of an hour's latent would take as much memory again
            file.write(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(-1).view(np.uint8).data)


def _tensor(path, name, entry, data_start, data_bytes):
    try:
        shape, (begin, end), type_name = entry["shape"], entry["data_offsets"], entry["dtype"]
        numbers = [*shape, begin, end]
    except (KeyError, TypeError, ValueError):
        raise _damaged(path, f"the header's entry for {name} lacks dtype, shape or data_offsets") from None
    if not all(type(number) is int and number >= 0 for number in numbers) or begin > end:
        raise _damaged(path, f"{name} has the shape {shape} and the offsets {[begin, end]}")
    if end > data_bytes:
        raise _damaged(path, f"{name} ends at byte {data_start + end} and the file at byte {data_start + data_bytes}")
    dtype = _DTYPES.get(type_name) if isinstance(type_name, str) else None
    if dtype is not None and math.prod(shape) * dtype.itemsize != end - begin:
        raise _damaged(path, f"{name} is {type_name} of shape {shape} and has {end - begin} bytes")

    def check_type():
        if dtype is None:
            raise UserError(f"{path}: {name} is of type {type_name}; it must be one of {', '.join(_DTYPES)}: convert it first")

    def read():
        check_type()
        raw = np.fromfile(path, np.uint8, end - begin, offset=data_start + begin)
        if raw.size != end - begin:
            raise _damaged(path, f"it became shorter while {name} was read")
        return raw.view(dtype).reshape(shape)

    def read_span(start, stop):
        check_type()
        found = np.empty((shape[0], stop - start, *shape[2:]), dtype)
        place_bytes = math.prod(shape[2:]) * dtype.itemsize
        with open(path, "rb") as file:
            for row, numbers in enumerate(found):
                file.seek(data_start + begin + (row * shape[1] + start) * place_bytes)
                if file.readinto(numbers.reshape(-1).view(np.uint8)) != numbers.nbytes:
                    raise _damaged(path, f"it became shorter while {name} was read")
        return found

    return StoredTensor(tuple(shape), read, read_span)


def _damaged(path, what, start=b""):
    if looks_pickled(start):  # asked only here: a whole file's header may be of a length that looks so
        refuse_pickle(path)
    if start.startswith(b"version "):
        return UserError(f"{path}: it is a Git LFS pointer and not the weights: fetch them with git lfs pull")
    return UserError(f"{path}: not a whole .safetensors file: {what}: download or copy it again")
