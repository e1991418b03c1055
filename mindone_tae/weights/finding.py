"""The weight files behind a path: a file, a diffusers folder, a training run's folder, or a Hugging Face repository."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from mindone_tae.zoo.errors import UserError

from .formats.first_bytes import TORCH_SUFFIXES
from .hub import download, is_repository
from .name_lists import shortened

# In order of preference in a folder: a .bin beside a .safetensors may be an optimizer's.
SUFFIXES = (".safetensors", ".ckpt", *TORCH_SUFFIXES)
_FORMATS = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
# JSON files, such as an index of shards, are read whole.
_JSON_MOST_BYTES = 2**25
_DIFFUSERS_STEM = "diffusion_pytorch_model"
_INDEX = re.compile(rf"{_DIFFUSERS_STEM}\.(safetensors|bin)\.index(\..+)?\.json")
_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
# In the folder of a run's checkpoint.
_PLAIN, _AVERAGED = "weights.safetensors", "ema.safetensors"
# Weights shipped with the package, by the texts that `pretrained` and --ckpt_path take. A file of that name is
# ./tiny or a pathlib.Path.
_SHIPPED_FOLDER = Path(__file__).with_name("shipped")
SHIPPED = {"tiny": "tiny.safetensors", "tiny_image_vae": "tiny_image_vae.safetensors"}


class Found(NamedTuple):
    """Where weights are stored.

    Attributes:
        path: as messages name it.
        files: one file, or the shards of one checkpoint.
        config_path: a diffusers folder's config.json, or None.
    """

    path: Path
    files: list[Path]
    config_path: Path | None = None


def find_weights(path: str | os.PathLike, ema: bool | None = None) -> Found:
    """The weight files behind a path.

    Args:
        path: .safetensors, .ckpt, .bin, .pt or .pth; a diffusers folder; a training run's folder or its checkpoints; a
            folder holding one such file; "organisation/name" or "organisation/name/subfolder" on Hugging Face; or
            "tiny" or "tiny_image_vae", which are shipped with the package. A pathlib.Path is a file or folder, never
            one of these two.
        ema: of a training run, the averaged weights (True), the plain ones (False), or the averaged ones where there
            are any (None).

    Raises:
        UserError: no such path, or not exactly one checkpoint.
    """
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else ""
    if not text.strip():
        raise UserError(
            f"the path of the weights is {path!r}; it must name a file or folder: give one, or null for none"
        )
    if isinstance(path, str) and path in SHIPPED:
        return Found(Path(text), [_SHIPPED_FOLDER / SHIPPED[text]])
    path = Path(os.path.expanduser(text))  # not Path.expanduser, which raises RuntimeError for an unknown user
    if not path.exists() and is_repository(text):
        return download(text, lambda folder: find_weights(folder, ema))
    if not path.exists():
        raise UserError(f"{path}: no such file or folder: give a {_FORMATS} file, or a folder holding one")
    if path.is_file() and not _INDEX.fullmatch(path.name):
        return Found(path, [_averaged_beside(path) if ema else _checked(path)], _config_beside(path))
    if path.is_file():
        found = _of_diffusers(path)
    else:
        found = _in_diffusers_folder(path) or _in_run(path, ema) or _alone(path)
    if ema and found.files[0].name != _AVERAGED:
        raise UserError(
            f"{path}: it holds no averaged weights (ema=True): "
            "leave ema out, or give the folder of a run trained with them"
        )
    return found


def _checked(path):
    if path.suffix not in SUFFIXES:
        ending = repr(path.suffix) if path.suffix else "none of these"
        raise UserError(f"{path}: weights are {_FORMATS} files, and this ends in {ending}: give one of those")
    return path


def _config_beside(path):
    """The config.json beside a file of a diffusers folder, or None."""
    config = path.with_name("config.json")
    return config if path.name.startswith(_DIFFUSERS_STEM) and config.is_file() else None


def _averaged_beside(path):
    """The averaged weights that a run saved with these: ema.safetensors beside weights.safetensors."""
    averaged = path.with_name(_AVERAGED)
    if path != averaged and (path.name != _PLAIN or not averaged.is_file()):
        raise UserError(f"{path}: no averaged weights (ema=True) lie beside it as {averaged.name}: leave ema out")
    return averaged


def _in_diffusers_folder(folder):
    if (folder / "vae" / "config.json").is_file():  # a whole pipeline
        folder = folder / "vae"
    for kind in ("safetensors", "bin"):
        checkpoints = _checkpoints(folder, kind)
        if "" in checkpoints:
            return _of_diffusers(checkpoints[""])
        if len(checkpoints) == 1:
            return _of_diffusers(*checkpoints.values())
    return None


def _checkpoints(folder, kind):
    """Variant, such as ".fp16", or "" for none, to its index of shards, which diffusers takes first, or its file."""
    found = {}
    for form in (rf"{_DIFFUSERS_STEM}(|\..+)\.{kind}", rf"{_DIFFUSERS_STEM}\.{kind}\.index(|\..+)\.json"):
        for path in folder.glob(f"{_DIFFUSERS_STEM}*"):
            match = re.fullmatch(form, path.name)
            if match and not _SHARD.search(match[1]) and path.is_file():
                found[match[1]] = path
    return found


def _of_diffusers(path):
    """The weights of a diffusers folder, by their file or the index of their shards."""
    files = _shards(path) if path.suffix == ".json" else [path]
    return Found(path.parent, files, _config_beside(files[0]))


def _shards(index):
    try:
        names = sorted({os.fspath(name) for name in read_json(index)["weight_map"].values()})
    except (KeyError, TypeError, AttributeError):
        raise UserError(
            f"{index}: it has no weight_map, which says what lies in which file: download it again"
        ) from None
    if not any(names):
        raise UserError(f"{index}: it names no files: download it again")
    # only names in the same folder: an index is untrusted text
    folder = index.parent
    missing = [name for name in names if os.path.basename(name) != name or not name or not (folder / name).is_file()]
    if missing:
        raise UserError(f"{index}: of the files it names, {shortened(missing)} cannot be found: download them again")
    return [folder / name for name in names]


def _in_run(folder, ema):
    """The last checkpoint in a run's folder or its checkpoints folder, or the checkpoint that the folder itself is."""
    steps = [path for inside in (folder / "checkpoints", folder) for path in inside.glob("step_*") if path.is_dir()]
    step = max(steps, key=_number, default=folder)
    plain, averaged = step / _PLAIN, step / _AVERAGED
    if step == folder and not plain.is_file():
        return None
    if ema and not averaged.is_file():
        raise UserError(f"{folder}: the run kept no averaged weights (ema=True): leave ema out")
    file = plain if ema is False or not averaged.is_file() else averaged
    if not file.is_file():
        raise UserError(f"{step}: it holds no {_PLAIN}, as a run's checkpoint does: give another checkpoint's file")
    return Found(folder, [file])


def _number(step):
    text = step.name.removeprefix("step_")
    return int(text) if text.isdecimal() and len(text) < 20 else -1


def _alone(folder):
    candidates = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    for suffixes in (SUFFIXES[:2], TORCH_SUFFIXES):
        weights = [path for path in candidates if path.suffix in suffixes]
        if len(weights) == 1:
            return Found(folder, weights)
        if weights:
            names = shortened(path.name for path in weights)
            raise UserError(f"{folder}: it holds {len(weights)} checkpoints ({names}): give the one you mean")
    raise UserError(f"{folder}: it holds no {_FORMATS} file: give the folder that does, or the file itself")


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        UserError: it is not JSON, or larger than any such file.
    """
    if path.stat().st_size > _JSON_MOST_BYTES:
        raise UserError(
            f"{path}: it has {path.stat().st_size} bytes, more than {_JSON_MOST_BYTES}: download or copy it again"
        )
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON ({error}): download or copy it again") from None
