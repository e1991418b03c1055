"""The files of a data set: the rows of a table, or a folder searched recursively."""

from __future__ import annotations

import logging
import os
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache

from mindone_tae.zoo.atomic_file import is_file_name
from mindone_tae.zoo.errors import UserError, did_you_mean, listed

from ..readers.opening import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from .tables import read_table

_logger = logging.getLogger(__name__)

MEDIA_SUFFIXES = VIDEO_SUFFIXES + IMAGE_SUFFIXES
# A file in the output folders of commands, which also hold videos and pictures; and check-data's picture.
_LOG, _HISTOGRAMS = "mindspore.log", "histograms.png"
# Separators that a table's header may have in place of those that its name says, and the remedy.
_OTHER_SEPARATORS = {
    "\t": "tabs: name it .tsv",
    ";": "semicolons: add the line 'sep=;' on top",
    "|": "bars: add the line 'sep=|' on top",
    ",": "commas: name it .csv",
}


@dataclass(frozen=True)
class Item:
    """One file of a collection.

    Attributes:
        path: absolute.
        relative_path: below the collection's folder, never with "..", so that it can be used under an output folder.
        extra: the other columns of its row, by name.
    """

    path: str
    relative_path: str
    extra: dict[str, str] = field(default_factory=dict)


def read_collection(
    csv_path: str | None = None,
    folder: str | list[str] | None = None,
    video_column: str = "video",
    allow_outside: bool | None = None,
    any_bytes: bool = False,
) -> list[Item]:
    """List the files of a table, or of a folder where no table is given. No file is opened.

    Args:
        csv_path: table of one file a row (see `read_table`): csv or tsv with a header line, jsonl, parquet.
        folder: where the table's relative paths start, its own folder if None; without a table, the folder to search,
            one file, or a list of folders and files.
        video_column: the table's column of paths. A path may name a folder of numbered images.
        allow_outside: whether absolute paths and links may lead out of the folder; None allows absolute paths where no
            folder is given, and no links. A path with ".." never may.
        any_bytes: see `read_table`.

    Raises:
        UserError: neither is given, something is missing or empty, or a path leaves the folder.
    """
    places = [folder] if isinstance(folder, (str, os.PathLike)) else list(folder or ())
    for place in places:
        if not os.path.exists(place):
            raise UserError(f"dataset.folder does not exist: {place}")
    if csv_path is not None:
        if len(places) > 1 or places and not os.path.isdir(places[0]):
            raise UserError(
                f"dataset.folder is not a folder: {folder}; a table's paths start from one: leave one of the two out"
            )
        return _from_table(csv_path, places[0] if places else None, video_column, allow_outside, any_bytes)
    if not places:
        raise UserError("the data set needs files: give dataset.csv_path, dataset.folder, or both")
    return [item for place in places for item in _from_place(place, bool(allow_outside), len(places) > 1)]


def _from_place(place, links_allowed, several):
    """The items of a file or a folder; of several places, a folder's items begin with its name."""
    path = os.path.abspath(place)
    name = os.path.basename(path)
    if not os.path.isdir(path):
        return [Item(path, name)]
    items = _from_folder(path, links_allowed)
    return [Item(item.path, os.path.join(name, item.relative_path)) for item in items] if several else items


class Root:
    """The folder that a collection's paths may not leave.

    Args:
        path: the folder.
        absolute_allowed: whether absolute paths may lead elsewhere.
        links_allowed: whether links may.
    """

    def __init__(self, path: str, absolute_allowed: bool, links_allowed: bool):
        self.path = os.path.abspath(path)
        self._absolute_allowed, self._links_allowed = absolute_allowed, links_allowed
        self._real = os.path.realpath(path)
        self._real_folder = lru_cache(maxsize=4096)(os.path.realpath)  # many files share a few folders

    def item(self, written: str, where: str, extra: dict[str, str]) -> Item:
        """The item of a path as it is written.

        Raises:
            UserError: it leaves the folder.
        """
        if not is_file_name(written):
            raise UserError(
                f"{where}: {written!r} holds a zero byte or an unpaired surrogate; a file name cannot: correct it"
            )
        path = os.path.normpath(os.path.join(self.path, written))
        if _inside(path, self.path):
            self._check_links(path, written, where)
            return Item(path, os.path.relpath(path, self.path), extra)
        if os.path.isabs(written) and self._absolute_allowed:
            return Item(path, os.path.relpath(path, os.path.abspath(os.sep)), extra)
        raise UserError(
            f"{where}: paths must stay inside {self.path}, and '{written}' leaves it: "
            "move the file, or set dataset.folder to a folder that holds them all"
        )

    def may_enter(self, parent: str, name: str) -> bool:
        """Whether a folder below is to be searched: no link, or one that may be followed.

        Raises:
            UserError: it is a link that leaves the folder and may not.
        """
        path = os.path.join(parent, name)
        if not os.path.islink(path):
            return True
        self._check_links(path, os.path.relpath(path, self.path), self.path)
        return self._links_allowed  # a link that stays inside names files that are found in their own place

    def _check_links(self, path, written, where):
        if self._links_allowed:
            return
        parent, name = os.path.split(path)
        real = os.path.join(self._real_folder(parent), name)
        if os.path.islink(path):
            real = os.path.realpath(path)
        if real != self._real and not _inside(real, self._real):
            raise UserError(
                f"{where}: paths must stay inside {self.path}, and '{written}' leaves it by a link to {real}: "
                "copy the file there, or set dataset.allow_outside=true"
            )


def _inside(path, folder):
    return path.startswith(folder.rstrip(os.sep) + os.sep)


def _from_folder(folder, links_allowed):
    root = Root(folder, False, links_allowed)
    items, others = [], Counter()
    walked = set()
    for parent, subfolders, names in os.walk(root.path, followlinks=True):
        if _LOG in names and parent != root.path:
            _logger.warning("left out %s: a command wrote to it (it holds %s)", parent, _LOG)
            subfolders.clear()
            continue
        if "checked.jsonl" in names:
            names = [name for name in names if name != _HISTOGRAMS]
        subfolders[:] = [name for name in subfolders if not name.startswith(".") and root.may_enter(parent, name)]
        real = os.path.realpath(parent)
        if real in walked:  # reached by a link before, or a link to a folder above
            subfolders.clear()
            continue
        walked.add(real)
        for name in names:
            suffix = os.path.splitext(name)[1].lower()
            if name.startswith("."):
                continue  # ._clip.mp4 and the like hold no video
            if suffix in MEDIA_SUFFIXES:
                items.append(root.item(os.path.relpath(os.path.join(parent, name), root.path), root.path, {}))
            else:
                others[suffix or "without suffix"] += 1
    if not items:
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in others.most_common(4))
        found = f"{others.total()} other files were found ({kinds})" if others else "it is empty"
        raise UserError(
            f"dataset.folder holds no video or image: {root.path}: {found}; looked for {' '.join(MEDIA_SUFFIXES)}"
        )
    return sorted(items, key=lambda item: item.relative_path)


def _from_table(csv_path, folder, video_column, allow_outside, any_bytes):
    if not os.path.isfile(csv_path):
        what = "is a folder; to search it, give it as dataset.folder" if os.path.isdir(csv_path) else "does not exist"
        raise UserError(f"dataset.csv_path {what}: {csv_path}")
    absolute_allowed = folder is None if allow_outside is None else allow_outside
    root = Root(folder or os.path.dirname(csv_path), absolute_allowed, bool(allow_outside))
    columns, rows = read_table(csv_path, any_bytes)
    _check_columns(csv_path, columns, video_column)
    items = []
    for where, row in rows:
        written = row.pop(video_column, "").strip()
        if not written:
            raise UserError(f"{where} has no path in column '{video_column}': fill it or delete the line")
        items.append(root.item(written, where, row))
    if not items:
        raise UserError(f"{csv_path} has no rows: below the header '{','.join(columns)}' write one file a line")
    return items


def _check_columns(csv_path, columns, video_column):
    if video_column not in columns:
        near = did_you_mean(video_column, columns)
        remedy = "set dataset.video_column to the column of paths"
        other = next((mark for mark in _OTHER_SEPARATORS if len(columns) == 1 and mark in columns[0]), None)
        file_on_top = any(name.lower().endswith(MEDIA_SUFFIXES) for name in columns)
        if other == "\t" or (other and not file_on_top):
            remedy, near = f"its cells seem to be separated by {_OTHER_SEPARATORS[other]}", ""
        elif file_on_top:
            remedy = f"its first line must be a header, not a file: add the line '{video_column}' on top"
        elif {"path", "frames", "reader", "reason"} <= set(columns):
            remedy = "it is a manifest of mindone-tae check-data: give it as dataset.manifest_path"
        raise UserError(
            f"{csv_path} has no column '{video_column}'; its columns are {listed(filter(None, columns))}"
            f": {remedy}{near}"
        )
