"""Converts published files of tensors to safetensors, without PyTorch, JAX or MindSpore."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mindone_tae.zoo.errors import UserError

from ..digest import arrays_sha256
from ..formats.numpy_pickle import open_numpy_pickle
from ..formats.safetensors import open_safetensors
from ..formats.stored import Stored
from ..formats.torch import open_torch
from ..name_lists import shortened
from .package import opened_member

_GZIP, _ZIP, _PROTOCOL_2 = b"\x1f\x8b", b"PK", b"\x80\x02"


def open_published(path: str | Path, member: str) -> Stored:
    """Opens a published file of a format recognized by its first bytes.

    Args:
        path: a source package (.tar.gz) that holds `member`, a pickle of NumPy arrays, torch.save's, or safetensors.
        member: the pickle's path in the source package.

    Raises:
        UserError: the file is missing or damaged, or holds more than tensors.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            start = file.read(2)
            if start == _GZIP:
                with opened_member(path, member) as inside:
                    return open_numpy_pickle(inside, f"{path}, {member}")
            if path.suffix == ".safetensors":
                return open_safetensors(path)
            # PyTorch's own pickles are of protocol 2, and Flax's of 3 or later.
            if start in (_ZIP, _PROTOCOL_2):
                return open_torch(path)
            file.seek(0)
            return open_numpy_pickle(file, path)
    except OSError as error:
        raise UserError(f"{path}: it cannot be read: {error.strerror or error}: check its name and rights") from None


def gather(sources: list[Stored], layouts: Iterable[dict], shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Collects the tensors of a network from published files, which name them by one of several layouts.

    Args:
        sources: list of Stored that together hold the network.
        layouts: dicts from every name in the network to (name in a file, the order in which to take its axes, or None
            for no change); axes left out have length 1.
        shapes: name in the network to shape.

    Returns:
        Name to float32 array.

    Raises:
        UserError: tensors are missing or misshapen; all are listed.
    """
    stored = {name: tensor for source in sources for name, tensor in source.tensors.items()}
    layout = max(layouts, key=lambda names: sum(name in stored for name, _ in names.values()))
    missing = [name for name, _ in layout.values() if name not in stored]
    where = " and ".join(str(source.path) for source in sources)
    if missing:
        raise UserError(
            f"{where}: {shortened(missing)} are missing: give the files as they were published, by --source"
        )
    arrays, faults = {}, []
    for name, (origin, axes) in layout.items():
        found, wanted = tuple(stored[origin].shape), shapes[name]
        axes = tuple(range(len(wanted))) if axes is None else axes
        lengths = dict(zip(axes, wanted))
        left_out = tuple(axis for axis in range(len(found)) if axis not in axes)
        if len(found) <= max(axes) or found != tuple(lengths.get(axis, 1) for axis in range(len(found))):
            faults.append(f"{origin} has the shape {found}, which does not give {name} the shape {wanted}")
        else:
            array = stored[origin].read().transpose(*axes, *left_out).reshape(wanted)
            arrays[name] = np.ascontiguousarray(array, np.float32)
    if faults:
        raise UserError(f"{where}: {shortened(faults)}: give the files as they were published, by --source")
    return arrays


def sha256(arrays: dict[str, np.ndarray]) -> str:
    """The digest of tensors by name."""
    return arrays_sha256(sorted(arrays.items()))
