"""Folders as PyTorch's diffusers writes them: config.json and weights in PyTorch's layout, in one file or several."""

from __future__ import annotations

import json
import math
import os
import re
from contextlib import ExitStack
from pathlib import Path

from huggingface_hub import split_state_dict_into_shards_factory

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
    stem = f"{_STEM}.{variant}" if variant else _STEM
    ending = f".{variant}.json" if variant else ".json"
    index = folder / f"{_STEM}.safetensors.index{ending}"
    split = split_state_dict_into_shards_factory(
        arrays,
        get_storage_size=lambda array: array.nbytes,
        filename_pattern=f"{stem}{{suffix}}.safetensors",
        max_shard_size=_bytes(max_shard_size) or math.inf,
    )
    with ExitStack() as files:  # the file entered first is moved into place last
        _write_json(files, folder / "config.json", config)
        if split.is_sharded:
            placed = dict(sorted(split.tensor_to_filename.items()))
            _write_json(files, index, {"metadata": split.metadata, "weight_map": placed})
        for name, shard in split.filename_to_tensors.items():
            write_safetensors(
                files.enter_context(replacing(folder / name)),
                {tensor: arrays[tensor] for tensor in shard},
                {"format": "pt"},
            )
    _remove_older(folder, stem, {*split.filename_to_tensors, *([index.name] if split.is_sharded else [])}, index.name)


def _write_json(files, path, content):
    files.enter_context(replacing(path)).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _remove_older(folder, stem, written, index_name):
    """Removes this variant's weights other than those just written; the index first, as readers look for it first."""
    shard = re.compile(rf"{re.escape(stem)}(-\d{{5}}-of-\d{{5}})?\.safetensors")
    older = [path for path in folder.iterdir() if path.name == index_name or shard.fullmatch(path.name)]
    for path in sorted(older, key=lambda path: path.name != index_name):
        if path.name not in written:
            path.unlink()


def _bytes(size):
    if size is None or (type(size) is int and size > 0):
        return size
    match = _SIZE.fullmatch(size.strip()) if isinstance(size, str) else None
    if match is None or float(match[1]) == 0:
        raise UserError(
            f'max_shard_size is {size!r}; it must be a number of bytes or of {", ".join(_UNITS)}: write "5GB"'
        )
    return int(float(match[1]) * _UNITS[match[2].upper()])
