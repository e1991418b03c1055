"""Reads PyTorch's files of tensors without PyTorch and without running anything in them; see `inert_pickle`.

Two layouts: a zip archive of a pickle and one member a storage (since PyTorch 1.6), and the older one, a sequence of
pickles followed by the storages. Anything that tensors do not need is refused by its name.
"""

from __future__ import annotations

import math
import os
import struct
import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np

from mindone_tae.zoo.errors import UserError

from .first_bytes import damaged
from .inert_pickle import STORAGE_TYPES, ForbiddenName, TensorRef, read_pickle
from .stored import Stored, StoredTensor, check_axes

_TRUSTED = "take the file from where it was published, or save its state_dict again where it is trusted"
_DTYPES = dict(zip(STORAGE_TYPES, ("<f4", "<f2", ml_dtypes.bfloat16, "<f8", "<i8", "<i4", "<i2", "i1", "u1", "?")))
# The first pickle of the older layout holds this number.
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_COUNT_BYTES = 8
# Raised by zipfile, struct and the pickle's reader for damaged files.
_DAMAGE = (ValueError, TypeError, LookupError, RuntimeError, EOFError, OverflowError, struct.error, zipfile.BadZipFile)
_TAR_MARK, _TAR_MARK_AT = b"ustar", 257
# Entries of the weights in trainers' checkpoints that hold more.
_WEIGHTS = ("state_dict", "model_state_dict", "model")
# Tied weights are stored once; a file whose views expand to more than this many times its size is a memory bomb.
_MOST_SHARING = 8


def open_torch(path: str | Path) -> Stored:
    """The tensors of a state_dict that torch.save wrote; the numbers are read on demand.

    Args:
        path: the file, whatever its suffix.

    Returns:
        Stored, with every tensor at the top level of the dict, or of its entry state_dict, model_state_dict or model.

    Raises:
        UserError: the file is missing or damaged, holds more than tensors, or has a layout that is not supported.
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
        raise UserError(
            f"{path}: it cannot be read: {error.strerror or error}: check the name and its permissions"
        ) from None
    except _DAMAGE as error:
        raise damaged(".pt", path, error) from None
    if isinstance(content, dict):
        content = next((content[entry] for entry in _WEIGHTS if isinstance(content.get(entry), dict)), content)
    if not isinstance(content, dict):
        raise UserError(
            f"{path}: it holds a {type(content).__name__}; it must hold a state_dict: save model.state_dict()"
        )
    found = {str(name): value for name, value in content.items() if isinstance(value, TensorRef)}
    tensors = {name: _stored(path, name, tensor, locate) for name, tensor in found.items()}
    unfolded, size = sum(_bytes(tensor) for tensor in found.values()), os.path.getsize(path)
    if unfolded > _MOST_SHARING * size:
        raise UserError(f"{path}: its tensors unfold to {unfolded} bytes, and the file has {size}: download it again")
    return Stored(path, tensors, {}, {})


def _bytes(tensor):
    return math.prod(tensor.shape) * _dtype(tensor.storage).itemsize


def _open_zip(path):
    """The pickle's content, and a function from a storage's key and size to its bytes."""
    archive = zipfile.ZipFile(path)  # stays open for as long as the tensors may be read
    names = archive.namelist()
    pickles = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise ValueError(f"the archive has {len(pickles)} members data.pkl")
    if len(set(names)) < len(names):
        raise ValueError("the archive has two members of one name")
    folder = pickles[0].removesuffix("data.pkl")

    def content_of(name, size):
        member = _plain(archive.getinfo(f"{folder}{name}"))
        if member.file_size != size:
            raise ValueError(f"it needs a storage of {size} bytes and the file has {member.file_size}")
        return archive.read(member)

    if f"{folder}byteorder" in names and content_of("byteorder", len(b"little")) != b"little":
        raise ValueError("its numbers are not little-endian")
    with archive.open(_plain(archive.getinfo(pickles[0]))) as file:
        content = read_pickle(file)
    return content, lambda key, size: content_of(f"data/{key}", size)


def _plain(member):
    """Refuses a compressed member: torch.save writes none, and a small one may unfold to any size."""
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
        raise ValueError(f"{member.filename} is compressed or encrypted")
    return member


def _open_legacy(path):
    """`_open_zip` for the layout before PyTorch 1.6."""
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
        order = read_pickle(file)
        if type(order) is not list or not all(type(key) is str and key in storages for key in order):
            raise ValueError("the list of its storages names none of them")
        places = _places(file, [storages[key] for key in order])

    def locate(key, size):
        with open(path, "rb") as file:
            file.seek(places[key])
            return file.read(size)

    return content, locate


def _places(file, storages):
    """The byte at which each storage's numbers begin: after their count, one storage after the other."""
    places, place, end = {}, file.tell(), os.fstat(file.fileno()).st_size
    for storage in storages:
        file.seek(place)
        count = int.from_bytes(file.read(_COUNT_BYTES), "little", signed=True)
        if count != storage.count:
            raise ValueError(f"storage {storage.key} has {count} numbers")
        places[storage.key] = place + _COUNT_BYTES
        place += _COUNT_BYTES + count * _dtype(storage).itemsize
        if place > end:
            raise ValueError(f"storage {storage.key} ends at byte {place} and the file at byte {end}")
    return places


def _dtype(storage):
    return np.dtype(_DTYPES[storage.type_name])


def _stored(path, name, tensor, locate):
    storage, shape = tensor.storage, tensor.shape
    check_axes(path, name, shape)
    last = tensor.offset + sum((side - 1) * stride for side, stride in zip(shape, tensor.strides))
    # The second condition: a stride of 0 would expand a few numbers to any size.
    if math.prod(shape) and (last >= storage.count or math.prod(shape) > storage.count):
        raise UserError(
            f"{path}: {name} of shape {shape} reaches beyond its storage of {storage.count} numbers: download it again"
        )

    def read():
        dtype = _dtype(storage)
        try:
            raw = locate(storage.key, storage.count * dtype.itemsize)
        except (*_DAMAGE, OSError) as error:
            raise UserError(
                f"{path}: the numbers of {name} cannot be read ({error}): download or copy it again"
            ) from None
        if len(raw) != storage.count * dtype.itemsize:
            raise UserError(f"{path}: it became shorter while {name} was read: download or copy it again")
        flat = np.frombuffer(raw, dtype)[tensor.offset :]
        if not math.prod(shape):
            return np.empty(shape, dtype)
        strides = [stride * dtype.itemsize for stride in tensor.strides]
        return np.lib.stride_tricks.as_strided(flat, shape, strides).copy()

    return StoredTensor(shape, read)
