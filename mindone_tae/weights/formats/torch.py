"""PyTorch's files of tensors, read without PyTorch and without running what they hold; see `inert_pickle`.

Two layouts: a zip archive of a pickle and one member a storage (since PyTorch 1.6), and before it pickles one after the other with
the storages behind them. Only what the tensors need is followed; anything else in a file is refused by its name.
"""

from __future__ import annotations

import math
import struct
import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np

from mindone_tae.zoo.errors import UserError

from .inert_pickle import STORAGE_TYPES, ForbiddenName, TensorRef, read_pickle
from .stored import Stored, StoredTensor

_TRUSTED = "take the file from where it was published, or save its state_dict again where it is trusted"
_DTYPES = dict(zip(STORAGE_TYPES, ("<f4", "<f2", ml_dtypes.bfloat16, "<f8", "<i8", "<i4", "<i2", "i1", "u1", "?")))
# The first pickle of the older layout holds this number.
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_COUNT_BYTES = 8
# What zipfile, struct and the pickle's reader raise where a file is not what it claims to be.
_DAMAGE = (ValueError, TypeError, KeyError, RuntimeError, EOFError, struct.error, zipfile.BadZipFile)
_TAR_MARK, _TAR_MARK_AT = b"ustar", 257


def open_torch(path) -> Stored:
    """The tensors of a state_dict that torch.save wrote; the numbers stay in the file until asked for.

    Args:
        path: the file, whatever its ending.

    Returns:
        Stored, with every tensor at the top level of the dict.

    Raises:
        UserError: the file is missing or damaged, holds more than tensors, or is of a layout that is not read.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            start = file.read(_TAR_MARK_AT + len(_TAR_MARK))
        if start.startswith(b"PK\x03\x04"):
            content, locate = _open_zip(path)
        elif start[_TAR_MARK_AT:] == _TAR_MARK:
            raise UserError(
                f"{path}: it is a tar archive, as PyTorch wrote before 0.1.10 (2017), and that layout is not read: "
                "load and save it again with torch.save, where the file is trusted"
            )
        else:
            content, locate = _open_legacy(path)
    except UserError:
        raise
    except ForbiddenName as error:
        why = "which a file of tensors does not need and could run code"
        raise UserError(f"{path}: it asks for {error}, {why}, so it is refused: {_TRUSTED}") from None
    except OSError as error:
        raise UserError(f"{path}: it cannot be read: {error.strerror}: check the name and its permissions") from None
    except _DAMAGE as error:
        raise UserError(f"{path}: not a whole file of torch.save: {error}: download or copy it again") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: it holds a {type(content).__name__}; it must hold a state_dict: save model.state_dict()")
    tensors = {str(name): _stored(path, name, value, locate) for name, value in content.items() if isinstance(value, TensorRef)}
    return Stored(path, tensors, {}, {})


def _open_zip(path):
    """The pickle's content, and a function from a storage's key to its bytes."""
    with zipfile.ZipFile(path) as archive:
        pickles = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError(f"the archive has {len(pickles)} members data.pkl")
        folder = pickles[0].removesuffix("data.pkl")
        if f"{folder}byteorder" in archive.namelist() and archive.read(_plain(archive.getinfo(f"{folder}byteorder"))) != b"little":
            raise ValueError("its numbers are not little-endian")
        _plain(archive.getinfo(pickles[0]))
        with archive.open(pickles[0]) as file:
            content = read_pickle(file)

    def locate(key):
        with zipfile.ZipFile(path) as archive:
            member = _plain(archive.getinfo(f"{folder}data/{key}"))
            with archive.open(member) as file:
                return file.read()

    return content, locate


def _plain(member):
    """Refuses a compressed member: torch.save writes none, and a small one may unfold to any size."""
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
        raise ValueError(f"{member.filename} is compressed or encrypted")
    return member


def _open_legacy(path):
    """As `_open_zip`, of the layout before PyTorch 1.6."""
    with open(path, "rb") as file:
        try:
            magic = read_pickle(file)
        except ForbiddenName:
            raise
        except ValueError:
            magic = None
        if type(magic) is not int or magic != _LEGACY_MAGIC:
            raise ValueError("it begins neither as a zip archive nor with PyTorch's magic number")
        read_pickle(file)  # the layout's version
        system = read_pickle(file)
        if not isinstance(system, dict) or system.get("little_endian") is not True:
            raise ValueError("its numbers are not little-endian")
        storages = {}
        content = read_pickle(file, storages)
        order = [str(key) for key in read_pickle(file)]
        storages_at = file.tell()

    def locate(key):
        with open(path, "rb") as file:
            file.seek(storages_at)
            for current in order:
                count = int.from_bytes(file.read(_COUNT_BYTES), "little", signed=True)
                if count != storages[current].count:
                    raise ValueError(f"storage {current} has {count} numbers")
                size = count * np.dtype(_DTYPES[storages[current].type_name]).itemsize
                if current == key:
                    return file.read(size)
                file.seek(size, 1)
        raise KeyError(key)

    return content, locate


def _stored(path, name, tensor, locate):
    storage, shape = tensor.storage, tensor.shape
    numbers = [tensor.offset, storage.count, *shape, *tensor.strides]
    if not all(type(number) is int and number >= 0 for number in numbers) or len(shape) != len(tensor.strides):
        raise UserError(f"{path}: {name} has the shape {shape}, strides {tensor.strides} and offset {tensor.offset}: download it again")
    last = tensor.offset + sum((side - 1) * stride for side, stride in zip(shape, tensor.strides))
    # The second: a stride of 0 would unfold a few numbers to any size.
    if math.prod(shape) and (last >= storage.count or math.prod(shape) > storage.count):
        raise UserError(f"{path}: {name} of shape {shape} reaches beyond its storage of {storage.count} numbers: download it again")

    def read():
        dtype = np.dtype(_DTYPES[storage.type_name])
        try:
            raw = locate(storage.key)
        except (*_DAMAGE, OSError) as error:
            raise UserError(f"{path}: the numbers of {name} cannot be read ({error}): download or copy it again") from None
        if len(raw) != storage.count * dtype.itemsize:
            wanted = storage.count * dtype.itemsize
            raise UserError(f"{path}: {name} needs a storage of {wanted} bytes and the file has {len(raw)}: download or copy it again")
        flat = np.frombuffer(raw, dtype)[tensor.offset :]
        strides = [stride * dtype.itemsize for stride in tensor.strides]
        return np.lib.stride_tricks.as_strided(flat, shape, strides).copy()

    return StoredTensor(shape, read)
