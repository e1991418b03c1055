"""MindSpore's checkpoints, .ckpt: a list of tensors as protocol buffers, those above half a gigabyte in several pieces.

Parsed here rather than by mindspore.load_checkpoint, which accepts a tensor with too few bytes for its shape and reads
past its end.
"""

from __future__ import annotations

import json
import math
import struct
from binascii import crc32
from functools import partial
from itertools import groupby
from pathlib import Path

import ml_dtypes
import numpy as np
from google.protobuf.message import DecodeError

import mindspore as ms
from mindspore.train.checkpoint_pb2 import Checkpoint

from .first_bytes import damaged
from .stored import Stored, StoredTensor, check_axes, written_type

# The one entry that is no weight: the writer's metadata, as JSON.
_METADATA = "mindone_tae.metadata"
_TEXT = "str"
_NUMPY_HAS = "Float64 Float32 Float16 Int64 Int32 Int16 Int8 UInt64 UInt32 UInt16 UInt8 Bool".split()
_DTYPES = {name: np.dtype(name.lower()) for name in _NUMPY_HAS} | {"BFloat16": np.dtype(ml_dtypes.bfloat16)}
# An optional trailer: this mark, and the checksum of all before it in ten bytes.
_CHECKSUM_MARK, _CHECKSUM_BYTES = b"crc_num", 10
_MOST_BYTES = 2**31
# Raised for damaged messages: MindSpore switches to protocol buffers in Python, which raise more than compiled ones.
_DAMAGE = (DecodeError, ValueError, TypeError, IndexError, OverflowError, RecursionError, struct.error)

_damaged = partial(damaged, ".ckpt")


def open_ckpt(path: Path) -> Stored:
    """Reads a checkpoint; text entries, such as a training loop's notes, are left out.

    Raises:
        UserError: the file is not a complete checkpoint.
    """
    tensors, texts = {}, {}
    for name, pieces in groupby(_messages(path), key=lambda message: message.tag):
        if name in tensors or name in texts:
            raise _damaged(path, f"it holds {name} twice")
        pieces = list(pieces)
        last = pieces[-1].tensor
        content = b"".join(piece.tensor.tensor_content for piece in pieces) if len(pieces) > 1 else last.tensor_content
        if last.tensor_type == _TEXT:
            texts[name] = content
        else:
            array = _array(path, name, last, content)
            tensors[name] = StoredTensor(array.shape, lambda array=array: array)
    return Stored(path, tensors, _metadata(path, texts.get(_METADATA)), {})


def write_ckpt(path: Path, arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    """Writes a checkpoint of arrays by name, with metadata, str to str.

    Raises:
        UserError: for a type the format does not have.
    """
    entries = [{"name": name, "data": _tensor(name, array)} for name, array in arrays.items()]
    notes = {_METADATA: json.dumps(metadata)} if metadata else None
    path.touch()
    mode = path.stat().st_mode  # what the umask leaves of 0666
    ms.save_checkpoint(entries, str(path), append_dict=notes, crc_check=True)
    path.chmod(mode)  # MindSpore's own is 0400


def _messages(path):
    if path.stat().st_size > _MOST_BYTES:
        raise _damaged(path, f"it has {path.stat().st_size} bytes, and protocol buffers end at {_MOST_BYTES}")
    content = path.read_bytes()
    if not content:
        raise _damaged(path, "it is empty")
    tail = len(_CHECKSUM_MARK) + _CHECKSUM_BYTES
    if content[-tail:-_CHECKSUM_BYTES] == _CHECKSUM_MARK:
        checksum = int.from_bytes(content[-_CHECKSUM_BYTES:], "big")
        content = content[:-tail]
        if crc32(content) != checksum:
            raise _damaged(path, "its checksum does not fit its content")
    checkpoint = Checkpoint()
    try:
        checkpoint.ParseFromString(content)
    except _DAMAGE as error:
        raise _damaged(path, str(error).rstrip(".")) from None
    return checkpoint.value


def _array(path, name, message, content):
    shape = () if list(message.dims) == [0] else tuple(message.dims)  # MindSpore's mark of a scalar
    dtype = _DTYPES.get(message.tensor_type)
    if dtype is None:
        raise _damaged(path, f"{name} is of the unknown type {message.tensor_type!r}")
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(content):
        raise _damaged(path, f"{name} is {message.tensor_type} of shape {shape} and has {len(content)} bytes")
    check_axes(path, name, shape)
    return np.frombuffer(content, dtype).reshape(shape)


def _metadata(path, content):
    if content is None:
        return {}
    try:
        noted = json.loads(content.decode("utf-32-le"))  # MindSpore writes text in NumPy's encoding
        return {str(key): str(value) for key, value in noted.items()}
    except (ValueError, AttributeError, RecursionError):
        raise _damaged(path, "its metadata is not JSON") from None


def _tensor(name, array):
    # native: MindSpore before 2.8 refuses a type that NumPy notes as little-endian
    dtype = written_type(name, array, _DTYPES.values(), ".ckpt").newbyteorder("=")
    if array.dtype == ml_dtypes.bfloat16:
        return ms.Tensor(array.astype(np.float32)).astype(ms.bfloat16)
    return ms.Tensor(np.ascontiguousarray(array, dtype))
