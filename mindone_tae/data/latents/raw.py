"""Latents of other samplers: bare arrays in .npy or .safetensors, without facts about their scaling or their video."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tokenize import TokenError
from typing import NamedTuple

import numpy as np

from mindone_tae.weights.formats.safetensors import open_safetensors
from mindone_tae.zoo.errors import UserError

from .clip import LatentClip, StoredLatent
from .folder import latent_paths

_OURS = "mindone_tae"
# What NumPy raises of a header that is none.
_DAMAGE = (OSError, ValueError, TypeError, KeyError, EOFError, SyntaxError, ArithmeticError, RecursionError, TokenError)


class RawLatent(NamedTuple):
    """One latent.

    Attributes:
        name: of its video, a path below a folder.
        where: file, and array in it, as messages name it.
        shape: (zc, lt, lh, lw).
        read: returns the array, floating.
    """

    name: str
    where: str
    shape: tuple[int, int, int, int]
    read: Callable[[], np.ndarray]


def find_raw(source: Path) -> list[RawLatent]:
    """The bare arrays of a file, or of all files below a folder, sorted by name; none where `encode` wrote the files.

    Args:
        source: .npy, .safetensors, or a folder.

    Raises:
        UserError: a file is damaged, an array in it no latent, or only some of the files are from `encode`.
    """
    source = Path(source)
    found, encoded = [], []
    for path in dict.fromkeys([*latent_paths(source, ".npy"), *latent_paths(source)]):
        name = path.relative_to(source).with_suffix("").as_posix() if source.is_dir() else path.stem
        arrays = _of_npy(path, name) if path.suffix == ".npy" else _of_safetensors(path, name)
        found += arrays
        encoded += [] if arrays else [path]
    if found and encoded:
        raise UserError(
            f"{source} holds bare arrays ({found[0].where}) and what encode wrote ({encoded[0]}); only one kind is "
            "decoded at a time: move them apart, or name one file"
        )
    found.sort(key=lambda latent: latent.name)
    for one, other in zip(found, found[1:]):
        if one.name == other.name:
            raise UserError(
                f"{one.where} and {other.where} are both the latent of {one.name}; outputs are named after it: "
                "rename one"
            )
    return found


def as_stored(raw: RawLatent, ratios: tuple[int, int], fps: float, scaling: dict) -> StoredLatent:
    """A bare array with the facts that `decode` needs.

    Args:
        raw: the latent.
        ratios: frames a latent frame, and pixels a latent row or column.
        fps: frames a second of its video.
        scaling: scaling_convention, scaling_factor and shift_factor.
    """
    _, lt, lh, lw = raw.shape
    size = lh * ratios[1], lw * ratios[1]
    facts = {"frames": lt * ratios[0], "fps": fps, "size": size, "source": raw.name, **scaling}

    def read(start=0, stop=None):
        array = np.array(raw.read()[:, start:stop], np.float32)
        return LatentClip(mean=None, logvar=None, sample=array, **facts)

    return StoredLatent(raw.name, raw.where, raw.shape, facts, read, read)


def _of_npy(path, name):
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            raise OSError("not a file")
        held = np.lib.format.open_memmap(path, mode="r")
    except _DAMAGE as error:
        raise UserError(f"{path} cannot be read as an array ({error}): write it with numpy.save") from None
    offset, order = held.offset, "F" if held.flags.fnc else "C"

    def read(entry=None):
        # not from the map: the process would be killed if the file had become shorter
        part = entry is not None and order == "C"
        shape, skipped = (held.shape[1:], entry * held[0].nbytes) if part else (held.shape, 0)
        found = np.fromfile(path, held.dtype, math.prod(shape), offset=offset + skipped)
        if found.size != math.prod(shape):
            raise UserError(f"{path} became shorter since it was opened: write it again")
        found = found.reshape(shape, order=order)
        return found if part or entry is None else found[entry]

    return _videos(name, str(path), held.shape, held.dtype, read)


def _of_safetensors(path, name):
    try:
        stored = open_safetensors(path)
    except (OSError, UserError) as error:
        raise UserError(f"{path} cannot be read as safetensors ({error}): write it again") from None
    if stored.metadata.get("format", "").startswith(_OURS):
        return []
    found = []
    for key, tensor in stored.tensors.items():
        here = name if len(stored.tensors) == 1 else f"{name}.{key}".replace("/", ".")
        found += _videos(here, f"{path}: {key}", tensor.shape, tensor.type_name, partial(_entry, tensor))
    return found


def _entry(tensor, entry=None):
    array = tensor.read()
    return array if entry is None else array[entry]


def _videos(name, where, shape, dtype, read):
    """The latents of one array: one of four axes, one for each entry of the first of five."""
    if str(dtype) not in ("float16", "float32", "float64"):
        raise UserError(f"{where} holds {dtype}; latents are float16, float32 or float64: convert it first")
    if len(shape) not in (4, 5) or min(shape) < 1:
        raise UserError(
            f"{where} has shape {shape}; a latent is (zc, lt, lh, lw), several are (b, zc, lt, lh, lw): "
            "reorder its axes"
        )
    if len(shape) == 4:
        return [RawLatent(name, where, tuple(shape), read)]
    names = [name] if shape[0] == 1 else [f"{name}_{i}" for i in range(shape[0])]
    return [RawLatent(each, f"{where}[{i}]", tuple(shape[1:]), partial(read, i)) for i, each in enumerate(names)]
