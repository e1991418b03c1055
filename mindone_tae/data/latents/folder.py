"""The latents in a folder that `encode` wrote, in either form: a file a clip, or shards with an index."""

from __future__ import annotations

from pathlib import Path

from mindone_tae.zoo.errors import UserError

from .clip import StoredLatent
from .clip_file import SUFFIX, open_latents
from .shards import INDEX, open_shard, read_index, shard_number


def find_latents(source: Path) -> tuple[list[StoredLatent], list[tuple[str, str]]]:
    """All latents of a folder, or of one file, sorted by name; only their facts are read.

    Args:
        source: the folder, or a latent's file or a shard in it.

    Returns:
        The latents, and (path, reason) of what cannot be read.

    Raises:
        UserError: no latent is there, or the index is damaged.
    """
    source = Path(source)
    if (source / INDEX).is_file():
        return _sharded(source)
    if source.is_file() and shard_number(source) is not None:
        return _by_name(open_shard(source).values()), []
    found, problems = [], []
    for path in latent_paths(source):
        name = path.relative_to(source).as_posix() if source.is_dir() else path.name
        try:
            found.append(open_latents(path, name.removesuffix(SUFFIX)))
        except UserError as error:
            problems.append((str(path), str(error)))
    if not found and not problems:
        raise UserError(f"{source} holds no {SUFFIX} file; it must be the folder that encode wrote: check the name")
    return _by_name(found), problems


def latent_paths(source: Path, suffix: str = SUFFIX) -> list[Path]:
    """The files below a folder that may be latents of a clip each, or the one file that it is, whatever its suffix."""
    if not source.is_dir():
        return [source] if source.is_file() else []
    # hidden ones are being written, or were when their writer was killed
    paths = source.rglob(f"*{suffix}")
    return sorted(path for path in paths if not any(part.startswith(".") for part in path.relative_to(source).parts))


def _sharded(folder):
    index = read_index(folder)
    if not index:
        raise UserError(f"{folder / INDEX} lists no clip; latents are needed: run mindone-tae encode to its end")
    found, problems = [], []
    for shard in sorted(set(index.values())):
        names = [name for name, other in index.items() if other == shard]
        try:
            held = open_shard(folder / shard)
        except UserError as error:
            problems.append((str(folder / shard), str(error)))
            continue
        found += [held[name] for name in names if name in held]
        problems += [
            (f"{folder / shard}: {name}", "the index lists it, and the shard does not hold it")
            for name in names
            if name not in held
        ]
    return _by_name(found), problems


def _by_name(latents):
    return sorted(latents, key=lambda latent: latent.name)
