"""Folders as PyTorch's diffusers writes them: config.json and weights in PyTorch's layout, in one file or several."""

from __future__ import annotations

import json
import os
import re
from contextlib import ExitStack
from pathlib import Path

from mindone_tae.zoo.atomic_file import replacing
from mindone_tae.zoo.errors import UserError

from .formats.safetensors import write_safetensors
from .name_maps import torch_layout
from .saving import as_arrays

_STEM = "diffusion_pytorch_model"
_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZE = re.compile(rf"(\d+(?:\.\d+)?)\s*({'|'.join(_UNITS)})", re.IGNORECASE)


def save_diffusers_folder(
    params, folder: str | os.PathLike, config: dict, variant: str | None = None, max_shard_size: int | str | None = None
) -> None:
    """Writes config.json and diffusion_pytorch_model.safetensors as PyTorch's diffusers lays them out.

    All is written under temporary names first. Weights of an earlier save that these do not replace are removed.

    Args:
        params: a Cell, or name to NumPy array, Tensor or Parameter, under our names.
        folder: created if missing.
        config: content of config.json.
        variant: put into the weights' names, as in diffusion_pytorch_model.fp16.safetensors.
        max_shard_size: most bytes a file may hold, as a number or "5GB" and the like; larger weights are split into
            several files with an index. None writes one file.

    Raises:
        UserError: an invalid size, or a folder that cannot be written.
    """
    folder = Path(folder)
    arrays = torch_layout(as_arrays(params))
    shards = _shards(arrays, _bytes(max_shard_size))
    stem = f"{_STEM}.{variant}" if variant else _STEM
    ending = f".{variant}.json" if variant else ".json"
    index = folder / f"{_STEM}.safetensors.index{ending}"
    whole = len(shards) == 1
    names = [
        f"{stem}.safetensors" if whole else f"{stem}-{i + 1:05}-of-{len(shards):05}.safetensors"
        for i in range(len(shards))
    ]
    with ExitStack() as files:  # the file entered first is moved into place last
        _write_json(files, folder / "config.json", config)
        if not whole:
            placed = {tensor: name for name, shard in zip(names, shards) for tensor in shard}
            total = sum(array.nbytes for array in arrays.values())
            _write_json(files, index, {"metadata": {"total_size": total}, "weight_map": dict(sorted(placed.items()))})
        for name, shard in zip(names, shards):
            write_safetensors(
                files.enter_context(replacing(folder / name)),
                {tensor: arrays[tensor] for tensor in shard},
                {"format": "pt"},
            )
    _remove_older(folder, stem, {*names} if whole else {*names, index.name}, index.name)


def _write_json(files, path, content):
    files.enter_context(replacing(path)).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _remove_older(folder, stem, written, index_name):
    """Removes this variant's weights other than those just written; the index first, as readers look for it first."""
    shard = re.compile(rf"{re.escape(stem)}(-\d{{5}}-of-\d{{5}})?\.safetensors")
    older = [path for path in folder.iterdir() if path.name == index_name or shard.fullmatch(path.name)]
    for path in sorted(older, key=lambda path: path.name != index_name):
        if path.name not in written:
            path.unlink()


def _shards(arrays, max_bytes):
    """Names by file, in their order, no file above max_bytes; a larger tensor has a file to itself."""
    shards, held = [[]], 0
    for name, array in arrays.items():
        if max_bytes is not None and shards[-1] and held + array.nbytes > max_bytes:
            shards.append([])
            held = 0
        shards[-1].append(name)
        held += array.nbytes
    return shards


def _bytes(size):
    if size is None or (type(size) is int and size > 0):
        return size
    match = _SIZE.fullmatch(size.strip()) if isinstance(size, str) else None
    if match is None or float(match[1]) == 0:
        raise UserError(
            f'max_shard_size is {size!r}; it must be a number of bytes or of {", ".join(_UNITS)}: write "5GB"'
        )
    return int(float(match[1]) * _UNITS[match[2].upper()])
