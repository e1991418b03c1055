"""A folder that latents are written into as shards; see `cache` for how processes share the work."""

from __future__ import annotations

from pathlib import Path

from mindone_tae.zoo.atomic_file import remove_temporaries
from mindone_tae.zoo.errors import UserError

from ..files.manifest import file_state
from .cache import owner
from .clip import LatentClip, StoredLatent
from .clip_file import SUFFIX, DamagedLatent
from .folder import latent_paths
from .shards import open_shard, shard_number, shard_path, write_index, write_shard

_NEW = 10**9  # larger than every shard's number


class LatentShards:
    """A cache in shards. A clip that is encoded again stays in its shard, new clips fill new ones.

    Args:
        folder: of the cache.
        shard_bytes: a shard is written when its clips reach this size; up to this much is held in memory.
        rank: this process.
        ranks: processes that share the work.

    Attributes:
        latents: StoredLatent of each clip that is there and whole, by name.
        damaged: empty: the clips of a damaged shard are not known, so they are missing.

    Raises:
        UserError: the folder holds files of one clip, or shards of another format.
    """

    def __init__(self, folder: Path, shard_bytes: int, rank: int = 0, ranks: int = 1):
        self._folder, self._limit, self._rank, self._ranks = folder, shard_bytes, rank, ranks
        self.latents: dict[str, StoredLatent] = {}
        self.damaged: set[str] = set()
        self._shards: dict[Path, tuple] = {}  # (file_state, its clips by name)
        self._number_of: dict[str, int] = {}
        self._place, self._pending, self._bytes = _NEW, {}, 0
        paths = latent_paths(folder)
        loose = next((path for path in paths if shard_number(path) is None or path.parent != folder), None)
        if loose is not None:
            raise UserError(
                f"{folder} holds {loose.relative_to(folder)}, which is no shard; shards need a folder of their own: "
                "leave out --shard_size_mb, or give another --output_path"
            )
        remove_temporaries(
            folder, lambda path: path.suffix == SUFFIX and self._owns(shard_number(path) or 0), below=True
        )
        for path in paths:
            number = shard_number(path)
            try:
                self._take(number, self._opened(path))
            except DamagedLatent:
                if self._owns(number):
                    path.unlink(missing_ok=True)
        write_index(folder, self._opened)

    def mine(self, name: str) -> bool:
        """Whether a clip is this process's to encode."""
        number = self._number_of.get(name)
        return owner(name, self._ranks) == self._rank if number is None else self._owns(number)

    def cannot_hold(self, name: str) -> str | None:
        """Why a clip of this name cannot be written, None where it can: found out before it is encoded."""
        try:
            name.encode("utf-8")
        except UnicodeEncodeError:
            return "its name is no UTF-8, and a shard's names are: rename the video, or leave --shard_size_mb out"
        return None

    def place(self, name: str) -> int:
        """Order in which to encode: the number of the clip's shard, so that its clips come in a row; new clips last."""
        return self._number_of.get(name, _NEW)

    def write(self, name: str, clip: LatentClip) -> None:
        """Buffers a clip's latent, and writes its shard when that is full or a clip of another place comes.

        A kill loses the clips buffered until then; the next run encodes them again.
        """
        place = self.place(name)
        if place != self._place:
            self.finish()
        self._place = place
        self._pending[name] = clip
        self._bytes += sum(array.nbytes for array in clip.arrays.values())
        if place == _NEW and self._bytes >= self._limit:
            self.finish()

    def finish(self) -> None:
        """Writes the clips that are still buffered."""
        if not self._pending:
            return
        number = self._next_number() if self._place == _NEW else self._place
        path = shard_path(self._folder, number)
        kept = self._opened(path) if path.exists() else {}
        write_shard(
            path,
            {**{name: latent.read() for name, latent in kept.items() if name not in self._pending}, **self._pending},
        )
        self._pending, self._bytes = {}, 0
        self._take(number, self._opened(path))
        write_index(self._folder, self._opened)

    def _owns(self, number):
        return number % self._ranks == self._rank

    def _next_number(self):
        number = self._rank
        while shard_path(self._folder, number).exists():
            number += self._ranks
        return number

    def _take(self, number, clips):
        self.latents.update(clips)
        self._number_of.update(dict.fromkeys(clips, number))

    def _opened(self, path):
        """The clips of a shard, read again where it has been written since."""
        state = file_state(path)
        if self._shards.get(path, (None, None))[0] != state:
            self._shards[path] = state, open_shard(path)
        return self._shards[path][1]
