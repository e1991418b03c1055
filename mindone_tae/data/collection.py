"""Which files make up a data set: the rows of a csv, or a folder searched recursively."""

from __future__ import annotations

import csv
import os
from collections import Counter
from dataclasses import dataclass, field

from mindone_tae.zoo.errors import UserError, did_you_mean, listed

from .readers import IMAGE_SUFFIXES, VIDEO_SUFFIXES

MEDIA_SUFFIXES = VIDEO_SUFFIXES + IMAGE_SUFFIXES


@dataclass(frozen=True)
class Item:
    """One file of a collection.

    Attributes:
        path: absolute.
        relative_path: below the collection's folder, never with "..": safe to repeat under an output folder.
        extra: the other columns of its csv row, by name.
    """

    path: str
    relative_path: str
    extra: dict[str, str] = field(default_factory=dict)


def read_collection(csv_path: str | None = None, folder: str | None = None, video_column: str = "video") -> list[Item]:
    """List the files of a csv, or of a folder where no csv is given. No file is opened.

    Args:
        csv_path: csv with a header line, one file a row, UTF-8.
        folder: where the csv's relative paths start, its own folder if None; without a csv, the folder to search.
        video_column: the csv's column of paths.

    Raises:
        UserError: neither is given, something is missing or empty, or a path leaves the folder.
    """
    if folder is not None and not os.path.isdir(folder):
        what = "is not a folder" if os.path.exists(folder) else "does not exist"
        raise UserError(f"dataset.folder {what}: {folder}")
    if csv_path is not None:
        return _from_csv(csv_path, folder, video_column)
    if folder is None:
        raise UserError("the data set needs files: give dataset.csv_path, dataset.folder, or both")
    return _from_folder(folder)


def _from_folder(folder):
    root = os.path.abspath(folder)
    items, others = [], Counter()
    for parent, subfolders, names in os.walk(root):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for name in names:
            suffix = os.path.splitext(name)[1].lower()
            if name.startswith("."):
                continue  # ._clip.mp4 and the like hold no video
            if suffix in MEDIA_SUFFIXES:
                path = os.path.join(parent, name)
                items.append(Item(path, os.path.relpath(path, root)))
            else:
                others[suffix or "without suffix"] += 1
    if not items:
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in others.most_common(4))
        found = f"{others.total()} other files were found ({kinds})" if others else "it is empty"
        raise UserError(f"dataset.folder holds no video or image: {root}: {found}; looked for {' '.join(MEDIA_SUFFIXES)}")
    return sorted(items, key=lambda item: item.relative_path)


def _from_csv(csv_path, folder, video_column):
    if not os.path.isfile(csv_path):
        what = "is a folder; to search it, give it as dataset.folder" if os.path.isdir(csv_path) else "does not exist"
        raise UserError(f"dataset.csv_path {what}: {csv_path}")
    root = os.path.abspath(folder if folder is not None else os.path.dirname(os.path.abspath(csv_path)))
    try:
        with open(csv_path, encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            columns = [name.strip() for name in rows.fieldnames or ()]
            rows.fieldnames = columns
            _check_columns(csv_path, columns, video_column)
            items = [_item(row, f"{csv_path}, line {rows.line_num}", root, folder is None, video_column) for row in rows]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{csv_path} is not a csv in UTF-8: {error}") from error
    if not items:
        raise UserError(f"{csv_path} has no rows: below the header '{','.join(columns)}' write one file a line")
    return items


def _check_columns(csv_path, columns, video_column):
    if not columns:
        raise UserError(f"{csv_path} is empty: it needs a header line with the column '{video_column}', then one file a line")
    twice = [name for name, count in Counter(columns).items() if name and count > 1]
    if twice:
        raise UserError(f"{csv_path} has the column '{twice[0]}' more than once: rename one")
    if video_column not in columns:
        headless = any(name.lower().endswith(MEDIA_SUFFIXES) for name in columns)
        remedy = (
            f"its first line must be a header, not a file: add the line '{video_column}' on top"
            if headless
            else "set dataset.video_column to the column of paths"
        )
        raise UserError(
            f"{csv_path} has no column '{video_column}'; its columns are {listed(filter(None, columns))}"
            f": {remedy}{did_you_mean(video_column, columns)}"
        )


def _item(row, where, root, absolute_allowed, video_column):
    """An Item from one csv row."""
    if row.pop(None, None):  # where DictReader puts what has no column
        raise UserError(f"{where} has more cells than the header has columns: put a path that holds a comma in double quotes")
    written = (row[video_column] or "").strip()
    if not written:
        raise UserError(f"{where} has no path in column '{video_column}': fill it or delete the line")
    path = os.path.normpath(os.path.join(root, written))
    inside = path.startswith(root.rstrip(os.sep) + os.sep)
    if inside:
        relative_path = os.path.relpath(path, root)
    elif os.path.isabs(written) and absolute_allowed:
        relative_path = os.path.relpath(path, os.path.abspath(os.sep))
    else:
        raise UserError(
            f"{where}: paths must stay inside {root}, and '{written}' leaves it: move the file, or set dataset.folder"
            " to a folder that holds them all"
        )
    # pandas writes its index as a column without a name
    extra = {name: value or "" for name, value in row.items() if name and name != video_column}
    return Item(path, relative_path, extra)
