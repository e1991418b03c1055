"""One clip's latent in a safetensors file, with all facts needed to decode it to the clip."""

from __future__ import annotations

import json
import os
from pathlib import Path

from mindone_tae.weights.formats.safetensors import open_safetensors, write_safetensors
from mindone_tae.weights.formats.stored import Stored
from mindone_tae.zoo.atomic_file import replacing
from mindone_tae.zoo.errors import UserError

from .clip import ARRAYS, LatentClip, StoredLatent, check_convention, check_scaling, facts_from_json, stored_latent

FORMAT = "mindone_tae latents 1"
SUFFIX = ".safetensors"


def write_latents(path: str | os.PathLike, clip: LatentClip) -> None:
    """Writes a clip's latent atomically: its arrays as tensors, everything else as metadata (JSON values).

    Raises:
        UserError: the clip's scaling cannot be undone, or the file cannot be written.
    """
    check_scaling(path, clip.facts)
    metadata = {"format": FORMAT, **{name: json.dumps(value) for name, value in clip.facts.items()}}
    with replacing(path) as temporary:
        write_safetensors(temporary, clip.arrays, metadata)


def read_latents(path: str | os.PathLike, convention: str | None = None) -> LatentClip:
    """Reads a file that `write_latents` wrote.

    Args:
        path: the file.
        convention: the scaling that the caller expects: "none", "mindone" or "diffusers"; None takes any.

    Raises:
        UserError: the file is damaged, not a latent of this format, or scaled by another convention.
    """
    latent = open_latents(path)
    check_convention(latent.where, latent.facts, convention)
    return latent.read()


def open_latents(path: str | os.PathLike, name: str | None = None) -> StoredLatent:
    """A file's latent, with its facts; its numbers are read on demand.

    Args:
        path: the file.
        name: of the clip; None takes the file's, without its ending.

    Raises:
        UserError: the file is damaged, or no latent of this format.
    """
    path = Path(path)
    stored = open_stored(path, FORMAT)
    facts = facts_from_json(path, {key: text for key, text in stored.metadata.items() if key != "format"})
    tensors = {kind: stored.tensors[kind] for kind in ARRAYS if kind in stored.tensors}
    return stored_latent(name or path.name.removesuffix(SUFFIX), str(path), facts, tensors)


def open_stored(path: Path, form: str) -> Stored:
    """A safetensors file of one of our formats, checked to be complete; its content is not checked yet.

    Raises:
        DamagedLatent: it is incomplete.
        UserError: it cannot be read, or is of another format.
    """
    try:
        written = path.stat().st_mtime_ns
        stored = open_safetensors(path)
    except OSError as error:
        raise UserError(
            f"{path} cannot be read as a latent: {error.strerror or error}: check the name and its permissions"
        ) from error
    except UserError as error:
        raise DamagedLatent(f"{path} cannot be read as a latent: {error}") from error
    if stored.metadata.get("format") != form:
        raise UserError(
            f"{path} has the format {stored.metadata.get('format')!r}, where {form!r} is needed: "
            "write latents with mindone-tae encode"
        )
    tensors = {
        name: tensor._replace(
            read=_unchanged(path, written, tensor.read), read_span=_unchanged(path, written, tensor.read_span)
        )
        for name, tensor in stored.tensors.items()
    }
    return stored._replace(tensors=tensors)


def _unchanged(path, written, read):
    """A tensor's `read` or `read_span` that refuses a file rewritten since: its numbers could be another clip's."""

    def read_unchanged(*span):
        array = read(*span)
        if path.stat().st_mtime_ns != written:
            raise UserError(
                f"{path} was written again since it was opened; its numbers lie elsewhere now: "
                "start again when encode is done"
            )
        return array

    return read_unchanged


class DamagedLatent(UserError):
    """An incomplete file, whatever its format."""
