"""The latents of many clips in a few safetensors files, and the index from a clip to its file.

A shard's metadata holds the facts of each of its clips, so that the index can always be rebuilt from the shards.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from mindone_tae.weights.formats.safetensors import write_safetensors
from mindone_tae.zoo.atomic_file import locked, remove_temporaries, replacing
from mindone_tae.zoo.errors import UserError

from .clip import ARRAYS, LatentClip, StoredLatent, check_scaling, checked_name, facts_from_json, stored_latent
from .clip_file import DamagedLatent, open_stored

FORMAT = "mindone_tae latent shard 1"
INDEX_FORMAT = "mindone_tae latent index 1"
INDEX = "index.json"
_SHARD = re.compile(r"latents-(\d{5,9})\.safetensors")
_FACTS = "facts"


def shard_path(folder: Path, number: int) -> Path:
    """The file of a shard."""
    return folder / f"latents-{number:05d}.safetensors"


def shard_number(path: Path) -> int | None:
    """The number of a shard, None for any other file."""
    match = _SHARD.fullmatch(path.name)
    return int(match[1]) if match else None


def write_shard(path: Path, clips: dict[str, LatentClip]) -> None:
    """Writes a shard atomically.

    Args:
        path: the file.
        clips: by name; tensors are called NAME/mean, NAME/logvar or NAME/sample, and metadata NAME/facts.

    Raises:
        UserError: a clip's scaling cannot be undone, or the file cannot be written.
    """
    metadata, arrays = {"format": FORMAT}, {}
    for name, clip in sorted(clips.items()):
        check_scaling(f"{path}: {name}", clip.facts)
        metadata[f"{name}/{_FACTS}"] = json.dumps(clip.facts)
        arrays.update({f"{name}/{kind}": array for kind, array in clip.arrays.items()})
    with replacing(path) as temporary:
        write_safetensors(temporary, arrays, metadata)


def open_shard(path: Path) -> dict[str, StoredLatent]:
    """The clips of a shard by name, their numbers left in it.

    Raises:
        DamagedLatent: the file is incomplete.
        UserError: it is not a shard, or holds something that is not a latent.
    """
    stored = open_stored(path, FORMAT)
    found = {}
    for key, text in stored.metadata.items():
        name, _, kind = key.rpartition("/")
        if kind != _FACTS:
            continue
        where = f"{path}: {checked_name(path, name)}"
        tensors = {kind: stored.tensors[f"{name}/{kind}"] for kind in ARRAYS if f"{name}/{kind}" in stored.tensors}
        found[name] = stored_latent(name, where, facts_from_json(where, {_FACTS: text})[_FACTS], tensors)
    return found


def write_index(folder: Path, open_one=open_shard) -> None:
    """Writes the index of the shards in a folder; processes may call it at the same time.

    Args:
        folder: of the shards.
        open_one: returns the clips of a shard, as `open_shard` does.

    Raises:
        UserError: it cannot be written.
    """
    with locked(folder, ".index.lock", wait=True):
        clips = {}
        for path in sorted(path for path in folder.iterdir() if shard_number(path) is not None):
            try:
                names = open_one(path)
            except DamagedLatent:
                continue
            for name, latent in names.items():
                kinds = ("sample",) if latent.facts.get("seed") is not None else ("mean", "logvar")
                clips[name] = {"shard": path.name, "tensors": {kind: f"{name}/{kind}" for kind in kinds}}
        text = (json.dumps({"format": INDEX_FORMAT, "clips": clips}, indent=1, sort_keys=True) + "\n").encode()
        index = folder / INDEX
        remove_temporaries(folder, lambda path: path == index)  # of killed ones: nobody else writes it now
        if not index.is_file() or index.read_bytes() != text:
            with replacing(index) as temporary:
                temporary.write_bytes(text)


def read_index(folder: Path) -> dict[str, str]:
    """The shard's file name of each clip.

    Raises:
        UserError: it is no index, or names a file that lies elsewhere.
    """
    index = folder / INDEX
    try:
        content = json.loads(index.read_text(encoding="utf-8"))
        if content["format"] != INDEX_FORMAT:
            raise UserError(
                f"{index} has the format {str(content['format'])[:80]!r}, where {INDEX_FORMAT!r} is needed: "
                "write latents with mindone-tae encode"
            )
        found = {name: entry["shard"] for name, entry in content["clips"].items()}
    except OSError as error:
        raise UserError(f"{index} cannot be read: {error.strerror or error}: check its permissions") from error
    except UserError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{index} is no index of latents ({type(error).__name__}: {error}): "
            "run mindone-tae encode again, which repairs it"
        ) from error
    for name, shard in found.items():
        checked_name(index, name)
        if not isinstance(shard, str) or _SHARD.fullmatch(shard) is None:
            raise UserError(
                f"{index} says {name} lies in {str(shard)[:80]!r}; shards lie beside it and are called "
                "latents-00000.safetensors: run mindone-tae encode again"
            )
    return found
