"""The files of a data set: their lengths and sizes, and which of them turned out bad."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mindone_tae.zoo.errors import UserError

from ..files.collection import Item
from ..files.inspection import ClipInfo, inspect_file
from ..readers.base import UnreadableVideo, VideoReader
from ..readers.file_stamp import stamp_of
from ..readers.isolated.bounded_reader import bounded_stamp
from ..readers.opening import open_video
from .cached_reader import KeptReader
from .frame_cache import FrameCache

logger = logging.getLogger(__name__)

_Result = TypeVar("_Result")


class FileList:
    """Files in a fixed order; threads may share it.

    Args:
        items: the files.
        reader: see `open_video`.
        timeout_s: see `open_video`.
        cache_mb: megabytes of frames that `open_kept` keeps; 0 none.
        tone_map: see `open_video`.
        memory_mb: see `open_video`.

    Attributes:
        items: the files; those that `learn` refuses are taken out.
        unreadable: list of (path, reason); grows when a file fails later.
    """

    def __init__(
        self,
        items: list[Item],
        reader: str,
        timeout_s: float | None,
        cache_mb: float,
        tone_map: bool,
        memory_mb: float | None,
    ):
        self.items = items
        self.unreadable: list[tuple[str, str]] = []
        self._reader, self._timeout_s, self._tone_map, self._memory_mb = reader, timeout_s, tone_map, memory_mb
        self._cache = FrameCache(cache_mb) if cache_mb else None
        self._bad: set[str] = set()
        self._infos: dict[str, ClipInfo] = {}
        self._lock = threading.Lock()  # guards what is known of files

    def check(self, num_threads: int) -> dict[str, ClipInfo | UnreadableVideo]:
        """Open every file in threads, each once: by path what it holds or what is wrong with it, for `learn`."""

        def inspect(path):
            try:
                return self._inspect(path)
            except UnreadableVideo as error:
                return error

        paths = list(dict.fromkeys(item.path for item in self.items))
        with ThreadPoolExecutor(num_threads, thread_name_prefix="check-files") as pool:
            return dict(zip(paths, pool.map(inspect, paths)))

    def _inspect(self, path):
        return inspect_file(path, self._reader, self._timeout_s, memory_mb=self._memory_mb)

    def learn(self, found: dict[str, ClipInfo | UnreadableVideo], check: Callable[[str, ClipInfo], None]) -> None:
        """Store what is known of every file, and remove the bad ones.

        Args:
            found: by path.
            check: raises UnreadableVideo for a readable file that cannot be used.

        Raises:
            UserError: none is left.
        """
        for path, info in found.items():
            try:
                if isinstance(info, UnreadableVideo):
                    raise info
                check(path, info)
                self._infos[path] = info
            except UnreadableVideo as error:
                self.report(error)
        self.items = [item for item in self.items if item.path not in self._bad]
        if not self.items:
            raise self._none_left()

    def _none_left(self):
        few = "; ".join(f"{path}: {reason}" for path, reason in self.unreadable[:3])
        more = f"; and {len(self.unreadable) - 3} more" if len(self.unreadable) > 3 else ""
        return UserError(f"no file of the data set can be used: {few}{more}")

    def report(self, error: UnreadableVideo) -> None:
        """Record and log a bad file, once."""
        with self._lock:
            if error.path in self._bad:
                return
            self._bad.add(error.path)
            self.unreadable.append((error.path, error.reason))
        logger.warning("left out: %s", error)

    def readable(self, position: int, among: Sequence[int] | None = None) -> Item:
        """The item at a position, or the next one in order whose file is not known to be bad.

        Args:
            position: from 0 to len(items) - 1; with `among`, a place in that.
            among: positions that may be taken; None is all.

        Raises:
            UserError: none is left.
        """
        places = range(len(self.items)) if among is None else among
        for offset in range(len(places)):
            item = self.items[places[(position + offset) % len(places)]]
            if item.path not in self._bad:
                return item
        raise self._none_left()

    def first_good(
        self, use: Callable[[Item], _Result], position: int, among: Sequence[int] | None = None
    ) -> tuple[Item, _Result]:
        """The first item from a position on that can be used, and the result; those that cannot are reported.

        Args:
            use: takes an item; raises UnreadableVideo where its file is bad.
            position: see `readable`.
            among: see `readable`.

        Raises:
            UserError: none is left.
        """
        while True:
            item = self.readable(position, among)
            try:
                return item, use(item)
            except UnreadableVideo as error:
                self.report(error)

    def known(self, item: Item) -> ClipInfo | None:
        """A file's ClipInfo, or None before it was opened."""
        return self._infos.get(item.path)

    def info(self, item: Item) -> ClipInfo:
        """A file's ClipInfo; opens the file where it is not known.

        Raises:
            UnreadableVideo: it had to be opened, and could not be.
        """
        info = self.known(item) or self._inspect(item.path)
        with self._lock:
            self._infos[item.path] = info
        return info

    def open(self, item: Item) -> VideoReader:
        """A reader of a file.

        Raises:
            UnreadableVideo: it cannot be opened.
        """
        return open_video(item.path, self._reader, self._timeout_s, self._tone_map, self._memory_mb)

    def open_kept(self, item: Item, stretches: bool) -> VideoReader:
        """As `open`, with the file's frames from memory where they were read before.

        Args:
            item: the file.
            stretches: see `KeptReader`.

        Raises:
            UnreadableVideo: it cannot be opened.
        """
        if self._cache is None:
            return self.open(item)
        stamp = stamp_of(item.path) if self._timeout_s is None else bounded_stamp(item.path, self._timeout_s)
        if stamp is None:
            return self.open(item)
        return KeptReader(item.path, lambda: self.open(item), stamp, self._cache, stretches)
