"""Rows of a table file: csv, tsv, json, jsonl or parquet."""

from __future__ import annotations

import csv
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain

from mindone_tae.zoo.errors import UserError

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_JSON = (".json", ".jsonl", ".ndjson")
# Python's csv module allows 131,072 characters a cell by default; the limit is the process's.
_LONGEST_CELL = 2**31 - 1
_END_OF_FILE = "\x1a"  # Ctrl-Z, which DOS programs write behind a text
# A first line that names the delimiter, for spreadsheets.
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[,;\t]*[\r\n]*')


def read_table(path: str, any_bytes: bool = False) -> tuple[list[str], Iterator[tuple[str, dict[str, str]]]]:
    """The columns of a table, and its rows as they are read.

    Args:
        path: .tsv (tabs), .json or .jsonl (an array of objects, or an object a line) or .parquet; anything else is a
            csv. Text is UTF-8, with or without a byte order mark, with any line endings. A first line such as sep=;
            sets the delimiter.
        any_bytes: of a csv, read bytes that are not UTF-8 as Python reads file names; a manifest is written so.

    Returns:
        The columns' names, and an iterator over (place of the row for messages, its cells as text by column).

    Raises:
        UserError: it is no such table; also raised by the iterator.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix == ".parquet":
        return _parquet(path)
    return _json(path) if suffix in _JSON else _delimited(path, _DELIMITERS.get(suffix, ","), any_bytes)


def import_parquet():
    """The module pyarrow.parquet.

    Raises:
        UserError: not installed, or not for this numpy.
    """
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        remedy = 'pip install "mindone_tae[parquet]", or use .csv or .jsonl'
        raise UserError(f"parquet tables need pyarrow, which does not load here ({error}): {remedy}") from error
    return parquet


def _delimited(path, delimiter, any_bytes):
    rows = _delimited_rows(path, delimiter, "surrogateescape" if any_bytes else "strict")
    header = next(rows, None)
    if header is None:
        raise UserError(f"{path} is empty: it needs a header line with the columns' names, then one file a line")
    columns = [name.strip() for name in header[1]]
    twice = [name for name, count in Counter(columns).items() if name and count > 1]
    if twice:
        raise UserError(f"{path} has the column '{twice[0]}' more than once: rename one")

    def cells():
        for where, row in rows:
            if any(row[len(columns) :]):  # spreadsheets may write empty cells behind the last
                raise UserError(
                    f"{where} has more cells than the header has columns: "
                    "put a cell that holds the separator in double quotes, with no space before them"
                )
            # pandas writes its index as a column without a name
            yield where, {name: row[at] if at < len(row) else "" for at, name in enumerate(columns) if name}

    return columns, cells()


def _delimited_rows(path, delimiter, errors):
    """(where, list of cells) of each line that is not empty, the header first."""
    try:
        with open(path, encoding="utf-8-sig", errors=errors, newline="") as file:
            first = file.readline()
            if "\0" in first:
                raise ValueError("it holds zero bytes, as UTF-16 and .xlsx do")
            separator = _SEPARATOR_LINE.fullmatch(first)
            csv.field_size_limit(_LONGEST_CELL)
            lines = (line.rstrip(_END_OF_FILE) for line in (file if separator else chain([first], file)))
            rows = csv.reader(lines, delimiter=separator[1] if separator else delimiter, strict=True)
            for row in rows:
                if row:
                    yield f"{path}, line {rows.line_num + bool(separator)}", row
    except (ValueError, TypeError, csv.Error) as error:  # of bytes, of what is to part the cells, of quotes
        kind, comma = ("csv", "comma") if delimiter == "," else ("tsv", "tab")
        remedy = f"save it as UTF-8, its cells in double quotes where they hold a {comma}"
        raise UserError(f"{path} is not a {kind} in UTF-8: {error}: {remedy}") from error


def _json(path):
    rows = [(where, {name: _text(value) for name, value in row.items()}) for where, row in _objects(path)]
    if not rows:
        raise UserError(f'{path} has no rows: write an object a line, such as {{"video": "a.mp4"}}')
    columns = list(dict.fromkeys(name for _, row in rows for name in row))
    return columns, ((where, {name: row.get(name, "") for name in columns}) for where, row in rows)


def _objects(path):
    """(where, object) of each row."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read().rstrip(_END_OF_FILE)
        if text.lstrip().startswith("["):
            rows = [(f"{path}, item {number}", row) for number, row in enumerate(json.loads(text), 1)]
        else:
            lines = enumerate(text.split("\n"), 1)
            rows = [(f"{path}, line {number}", json.loads(line)) for number, line in lines if line.strip()]
    except (ValueError, RecursionError) as error:
        what = "neither an array of objects nor an object a line, in UTF-8"
        raise UserError(f"{path} is {what}: {error}: save it as UTF-8, each line whole") from error
    for where, row in rows:
        if not isinstance(row, dict):
            raise UserError(f'{where} is not an object: write {{"video": "a.mp4"}}')
        if row and all(isinstance(value, (dict, list)) for value in row.values()):
            remedy = (
                'write an object a line, such as {"video": "a.mp4"}: in pandas, to_json(orient="records", lines=True)'
            )
            raise UserError(f"{where} holds tables or lists alone, and no path: {remedy}")
        yield where, row


def _parquet(path):
    parquet = import_parquet()
    try:
        table = parquet.read_table(path)
        objects = table.to_pylist()
    except (OSError, ValueError, OverflowError) as error:  # pyarrow's own errors are ValueErrors; dates may overflow
        raise UserError(f"{path} is not a parquet table that can be read: {str(error).splitlines()[0]}") from error
    rows = enumerate(objects, 1)
    cells = ((f"{path}, row {number}", {name: _text(value) for name, value in row.items()}) for number, row in rows)
    return table.column_names, cells


def _text(value):
    """A cell as a csv would have it."""
    if value is None:
        return ""
    if isinstance(value, bytes):  # Spark and others write texts to parquet as bytes
        return value.decode("utf-8", "surrogateescape")
    # dates and decimals as they are written; numbers, lists and objects as JSON
    return json.dumps(value, default=str) if isinstance(value, (int, float, list, dict)) else str(value)
