"""A folder that latents are written into, a file a clip: which are still valid, and which process encodes the others.

Every process derives from a clip's name whether the clip is its own: none waits for another or writes another's files.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path

from mindone_tae.zoo.atomic_file import LONGEST_NAME, remove_temporaries
from mindone_tae.zoo.errors import UserError

from .clip import LatentClip, StoredLatent
from .clip_file import SUFFIX, open_latents, write_latents
from .folder import latent_paths
from .shards import INDEX

MISSING, DAMAGED = "missing", "damaged"
SOURCE, CHECKPOINT, SETTINGS = "source changed", "other checkpoint", "other settings"


def why_to_encode(held: StoredLatent | None, expected: dict) -> str | None:
    """Why a clip has to be encoded (again), in a word or two; None where the cached latent is still valid.

    Args:
        held: the cached latent, or None.
        expected: the facts that its latent would have now, without those that are unknown before encoding.
    """
    if held is None:
        return MISSING
    facts = held.facts
    if facts.get("model", {}).get("sha256") != expected["model"]["sha256"]:
        return CHECKPOINT
    if facts.get("source_state") != expected["source_state"]:
        return SOURCE
    same = all(facts.get(name) == value for name, value in expected.items() if name != "model")
    return None if same and _settings(facts) == _settings(expected) else SETTINGS


def _settings(facts):
    """A model's name and settings, without where its weights came from."""
    return {key: value for key, value in facts["model"].items() if key != "pretrained"}


class LatentFiles:
    """A cache of one file a clip.

    Args:
        folder: of the cache.
        rank: this process.
        ranks: processes that share the work.

    Attributes:
        latents: StoredLatent of each clip that is there and whole, by name.
        damaged: names of files that are not.

    Raises:
        UserError: the folder holds shards.
    """

    def __init__(self, folder: Path, rank: int = 0, ranks: int = 1):
        self._folder, self._rank, self._ranks = folder, rank, ranks
        self.latents: dict[str, StoredLatent] = {}
        self.damaged: set[str] = set()
        if (folder / INDEX).exists():
            raise UserError(
                f"{folder} holds latents in shards; files of one clip cannot lie among them: "
                "give --shard_size_mb, or another --output_path"
            )
        remove_temporaries(
            folder, lambda path: path.suffix == SUFFIX and self.mine(clip_name(path, folder)), below=True
        )
        for path in latent_paths(folder):
            name = clip_name(path, folder)
            try:
                self.latents[name] = open_latents(path, name)
            except UserError:
                self.damaged.add(name)

    def mine(self, name: str) -> bool:
        """Whether a clip is this process's to encode."""
        return owner(name, self._ranks) == self._rank

    @staticmethod
    def cannot_hold(name: str) -> str | None:
        """Why a clip of this name cannot be written, None where it can: found out before it is encoded."""
        size = len(os.fsencode(f"{name.rpartition('/')[2]}{SUFFIX}"))
        return (
            f"its latent's name would have {size} bytes, and a name has {LONGEST_NAME} at most: rename the video, "
            "or give --shard_size_mb"
            if size > LONGEST_NAME
            else None
        )

    def place(self, name: str) -> int:
        """Order in which to encode: clips of one place are encoded in a row. Files of one clip need no order."""
        return 0

    def write(self, name: str, clip: LatentClip) -> None:
        """Writes a clip's latent atomically, replacing an older one."""
        path = self._folder / f"{name}{SUFFIX}"
        write_latents(path, clip)
        self.latents[name] = open_latents(path, name)

    def finish(self) -> None:
        """Does nothing: `write` holds nothing back."""


def owner(name: str, ranks: int) -> int:
    """The process that encodes a clip, from its name alone."""
    return zlib.crc32(name.encode("utf-8", "surrogateescape")) % ranks


def clip_name(path: Path, folder: Path) -> str:
    """The clip whose latent a file of a cache is."""
    return path.relative_to(folder).as_posix().removesuffix(SUFFIX)
