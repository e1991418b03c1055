"""Checks every file of a collection in parallel, and resumes where an earlier check stopped."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from mindone_tae.zoo.atomic_file import explained, set_aside, write_text

from ..readers.base import UnreadableVideo
from ..readers.isolated.bounded_reader import MEMORY_MB
from .collection import Item
from .inspection import hdr_refusal, inspect_file
from .manifest import COLUMNS, file_state, manifest_path_of, manifest_row, other_columns

_logger = logging.getLogger(__name__)

# A line has some hundred characters; what a power cut left in a file may have no end of a line at all.
_LONGEST_LINE = 2**20
# What the columns of a row hold, as `manifest_row` makes them.
_TEXTS = ("path", "codec", "reader", "reason", "transfer")
_COUNTS = ("frames", "width", "height", "bytes", "modified", "fps_is_guess")
_RATES = ("fps", "duration_s")
_LARGEST = 2.0**63


class CollectionCheck:
    """One check of a collection.

    Args:
        items: its files.
        folder: absolute folder that the manifest's paths are relative to.
        journal: file that gets a line for each checked file, so that a killed check loses nothing.
        reader: see `open_video`.
        timeout_s: see `open_video`.
        depth: "ends" decodes the first, middle and last frames of each file, "all" every frame, "first" one.
        hdr: "refuse" gives HDR a reason to be left out.
        memory_mb: see `open_video`.
    """

    def __init__(
        self,
        items: list[Item],
        folder: str,
        journal: str | os.PathLike,
        reader: str = "auto",
        timeout_s: float = 60.0,
        depth: str = "ends",
        hdr: str = "refuse",
        memory_mb: float | None = MEMORY_MB,
    ):
        self.items = list({item.path: item for item in items}.values())
        self._folder, self._journal = folder, os.fspath(journal)
        self._reader, self._depth, self._hdr = reader, depth, hdr
        self._timeout_s, self._memory_mb = timeout_s, memory_mb
        self._rows: dict[str, dict] = {}

    def resume(self) -> int:
        """Take an earlier check's results from the journal for files that have not changed.

        A damaged journal, as a power cut may leave it, is kept under another name; its whole lines count.

        Returns:
            How many files need no new check.
        """
        lines, whole = self._lines()
        rows = {row["path"]: row for _, row in lines if row.get("check") == self._settings()}
        for item in self.items:
            row = rows.get(manifest_path_of(item, self._folder))
            if row is not None and (row["bytes"], row["modified"]) == file_state(item.path):
                self._rows[item.path] = {**{name: row[name] for name in COLUMNS}, **other_columns(item)}
        if not whole:
            write_text(self._journal, "".join(f"{line}\n" for line, _ in lines))
        return len(self._rows)

    def _lines(self):
        """(text, row) of the journal's whole lines, and whether there are no others; sets a damaged one aside."""
        lines, bad, line = [], [], "\n"  # bad: how many whole lines come before each
        try:
            with open(self._journal, encoding="utf-8", errors="replace") as file:
                for line in iter(lambda: file.readline(_LONGEST_LINE), ""):
                    row = _row_of(line)
                    if row is not None:
                        lines.append((line.rstrip("\n"), row))
                    elif line.strip():
                        bad.append(len(lines))
        except FileNotFoundError:
            pass
        if bad and bad != [len(lines)]:  # more than the half line at the end, which any kill may leave
            what = "parts of %s are damaged; it was renamed %s, and files it no longer covers are checked again"
            _logger.warning(what, self._journal, set_aside(Path(self._journal)))
        return lines, not bad and line.endswith("\n")

    def _settings(self):
        return [self._reader, self._depth, self._hdr]

    def run(self, workers: int, looked_at: Callable[[dict], None] = lambda row: None) -> list[dict]:
        """Check the remaining files.

        Args:
            workers: files at a time, each in a process of its own.
            looked_at: called with each new row.

        Returns:
            The rows of all files in the collection's order; see `manifest_row`.
        """
        left = [item for item in self.items if item.path not in self._rows]
        with explained(self._journal):
            os.makedirs(os.path.dirname(self._journal) or ".", exist_ok=True)
            with open(self._journal, "a" if self._rows else "w", encoding="utf-8") as journal:
                for item, row in self._look(left, workers):
                    self._rows[item.path] = row
                    journal.write(self._line(row))
                    journal.flush()
                    looked_at(row)
        return [self._rows[item.path] for item in self.items]

    def _line(self, row):
        return json.dumps({**{name: row[name] for name in COLUMNS}, "check": self._settings()}) + "\n"

    def _look(self, items, workers) -> Iterator[tuple[Item, dict]]:
        with ThreadPoolExecutor(workers, thread_name_prefix="check-data") as pool:
            jobs = {pool.submit(self._row, item): item for item in items}
            try:
                for job in as_completed(jobs):
                    yield jobs.pop(job), job.result()
            finally:
                for job in jobs:
                    job.cancel()

    def _row(self, item):
        try:
            found = inspect_file(item.path, self._reader, self._timeout_s, self._depth, self._memory_mb)
            if self._depth != "first" and found.reader == "decord":  # which paints over damage that PyAV refuses
                inspect_file(item.path, "pyav", self._timeout_s, self._depth, self._memory_mb)
        except UnreadableVideo as error:
            return manifest_row(item, self._folder, error)
        return manifest_row(item, self._folder, found, hdr_refusal(found, self._hdr))


def _row_of(line):
    """A line's row; None where it is none, or one that no check writes."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or not all(isinstance(row.get(name), str) for name in _TEXTS):
        return None
    counts, rates = [row.get(name) for name in _COUNTS], [row.get(name) for name in _RATES]
    if not all(type(count) is int and 0 <= count < _LARGEST for count in counts):
        return None
    if not all(type(rate) in (int, float) and 0 <= rate < _LARGEST for rate in rates):
        return None
    # a file that can be used has what is divided by
    return row if row["reason"] or min(row["frames"], row["width"], row["height"]) > 0 else None
