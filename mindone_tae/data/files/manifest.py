"""The table that `mindone-tae check-data` writes: a row for each file, with its facts or what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Iterable

from mindone_tae.zoo.atomic_file import replacing
from mindone_tae.zoo.errors import UserError
from mindone_tae.zoo.printable import shown
from mindone_tae.zoo.spreadsheet import from_cell, write_table

from ..readers.base import HDR_TRANSFERS, UnreadableVideo
from .collection import Item, read_collection
from .inspection import ClipInfo
from .tables import import_parquet, read_table

_FACTS = ("path", "frames", "fps", "width", "height", "codec", "duration_s", "reader", "reason")
# Limits of what a manifest can say: two weeks at 24 frames a second; pixels a side; frames a second.
_MOST_FRAMES, _MOST_PIXELS, _FASTEST = 2**25, 2**16, 1e6
# bytes and modified (nanoseconds) show whether a file has changed since the check; fps_is_guess is 1 where the file has
# no timestamps that give the rate; transfer is "pq" or "hlg" for HDR.
COLUMNS = (*_FACTS, "bytes", "modified", "fps_is_guess", "transfer")


def manifest_row(item: Item, folder: str, found: ClipInfo | UnreadableVideo, reason: str = "") -> dict:
    """The row of one file; numbers of an unreadable one are 0. The other columns of its own table follow.

    Args:
        item: the file.
        folder: absolute, the collection's; what lies elsewhere is named by its absolute path.
        found: what it holds, or what is wrong with it.
        reason: why a readable file is left out.
    """
    bad = isinstance(found, UnreadableVideo)
    info = ClipInfo(0, 0.0, (0, 0)) if bad else found
    size, modified = file_state(item.path)
    own = {
        "path": manifest_path_of(item, folder),
        "frames": info.frames,
        "fps": round(info.fps, 6),
        "width": info.size[1],
        "height": info.size[0],
        "codec": info.codec,
        "duration_s": round(info.duration_s, 6),
        "reader": info.reader,
        "reason": found.reason if bad else reason,
        "bytes": size,
        "modified": modified,
        "fps_is_guess": int(info.fps_is_guess),
        "transfer": info.transfer,
    }
    return {**own, **other_columns(item)}


def manifest_path_of(item: Item, folder: str) -> str:
    """How a manifest of a folder names a file."""
    return item.relative_path if os.path.join(folder, item.relative_path) == item.path else item.path


def other_columns(item: Item) -> dict[str, str]:
    """The columns of a file's own table that a manifest does not have."""
    return {name: value for name, value in item.extra.items() if name not in COLUMNS}


def file_state(path: str) -> tuple[int, int]:
    """Bytes and time of the last change of a file or folder; 0, 0 where there is none."""
    try:
        state = os.stat(path)
    except OSError:
        return 0, 0
    return state.st_size, state.st_mtime_ns


def write_manifest(path: str, rows: Iterable[dict]) -> None:
    """Write a manifest atomically.

    Args:
        path: ends in .csv or .parquet.
        rows: of `manifest_row`, all with the same columns.

    Raises:
        UserError: pyarrow is missing for parquet, a name does not fit into one, or the file cannot be written.
    """
    rows = list(rows)
    columns = list(rows[0]) if rows else list(COLUMNS)
    if path.endswith(".parquet"):
        parquet = import_parquet()
        import pyarrow

        try:
            table = pyarrow.table({name: [row[name] for row in rows] for name in columns})
        except UnicodeEncodeError as error:
            raise UserError(
                f"{error.object!r} is not UTF-8, as a parquet file needs; a csv takes any name: "
                "add --format csv --resume, or rename it"
            ) from error
        with replacing(path) as temporary:
            parquet.write_table(table, temporary)
        return
    write_table(path, columns, ([row[name] for name in columns] for row in rows))


def _without_facts(item, manifest):
    others = other_columns(item)
    if not manifest.endswith(".parquet"):  # see `write_manifest`
        others = {name: from_cell(value) for name, value in others.items()}
    return Item(item.path, item.relative_path, others)


def _facts(item, manifest):
    row = item.extra
    transfer = row.get("transfer", "")
    hdr = transfer in HDR_TRANSFERS and row["frames"] != "0"  # the data set decides for itself whether to leave it out
    if row["reason"] and not hdr:
        return UnreadableVideo(item.path, row["reason"])
    try:
        size, rate = (int(row["height"]), int(row["width"])), float(row["fps"])
        guess, written = (int(row.get(name) or 0) for name in ("fps_is_guess", "bytes"))
        info = ClipInfo(int(row["frames"]), rate, size, row["codec"], row["reader"], bool(guess), transfer, written)
    except ValueError as error:
        raise UserError(
            f"{manifest} has no number where {item.relative_path} needs one: {error}: "
            "write it again with mindone-tae check-data"
        ) from error
    if not (
        1 <= info.frames <= _MOST_FRAMES and 1 <= min(size) <= max(size) <= _MOST_PIXELS and 0 <= info.fps <= _FASTEST
    ):
        told = f"{shown(info.frames)} frames of {shown(info.size)} at {info.fps} fps"
        raise UserError(f"{manifest} says {item.relative_path} has {told}: write it again with mindone-tae check-data")
    return info


def known_items(
    manifest_path: str,
    csv_path: str | None,
    folder: str | list[str] | None,
    video_column: str,
    allow_outside: bool | None,
) -> tuple[list[Item], dict[str, ClipInfo | UnreadableVideo]]:
    """The files of a manifest, or those of a table that are in it, and by path what is known of each.

    Args:
        manifest_path: table written by `write_manifest`.
        csv_path: table of files; None takes all of the manifest.
        folder: see `read_collection`.
        video_column: the table's.
        allow_outside: see `read_collection`.

    Raises:
        UserError: the file is not a manifest, lacks a file of the table, or lists files that are not in the folder.
    """
    if not os.path.isfile(manifest_path):
        raise UserError(
            f"dataset.manifest_path is {manifest_path}, and there is no such file: make it with mindone-tae check-data"
        )
    columns, _ = read_table(manifest_path, any_bytes=True)
    if COLUMNS[0] not in columns:
        raise UserError(
            f"{manifest_path} has no column '{COLUMNS[0]}', so it is no manifest: "
            "give it as dataset.csv_path, or make one with mindone-tae check-data"
        )
    missing = [name for name in _FACTS if name not in columns]
    if missing:
        raise UserError(
            f"{manifest_path} has no column '{missing[0]}'; a manifest has {', '.join(_FACTS)}: "
            "write it with mindone-tae check-data"
        )
    rows = read_collection(manifest_path, folder, "path", allow_outside, any_bytes=True)
    facts = {row.path: _facts(row, manifest_path) for row in rows}
    items = [_without_facts(row, manifest_path) for row in rows]
    if csv_path is not None:
        items = read_collection(csv_path, folder, video_column, allow_outside)
        unknown = [item.relative_path for item in items if item.path not in facts]
        if unknown:
            raise UserError(
                f"{manifest_path} lacks {len(unknown)} files of {csv_path}, such as {unknown[0]}: run mindone-tae "
                "check-data again, give dataset.folder if the two tables lie in different folders, or set "
                "eval.dataset.manifest_path (to null, if to nothing else) if the table is that of evaluation"
            )
    good = next((item for item in items if isinstance(facts[item.path], ClipInfo)), None)
    if good is not None and not os.path.exists(good.path):
        raise UserError(
            f"{manifest_path} lists {good.relative_path}, and there is no {good.path}: "
            "set dataset.folder to the folder that was checked"
        )
    return items, {item.path: facts[item.path] for item in items}
