"""Csv tables whose cells no spreadsheet takes for a formula, and which are read back as they were.

Excel and others compute what begins with = + - or @, and a file's name or a caption may be anything. A path gets "./"
in front, which names the same file to every program; any other text gets an apostrophe, which `from_cell` removes.
"""

import csv
import os
from collections.abc import Iterable, Sequence

from .atomic_file import replacing

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_QUOTE = "'"


def as_cell(value):
    """A cell of any text but a path; what is no text stays as it is."""
    if isinstance(value, str) and value.lstrip(_QUOTE).startswith(_FORMULA):
        return f"{_QUOTE}{value}"
    return value


def from_cell(text):
    """What `as_cell` made a cell of."""
    return text[1:] if text.startswith(_QUOTE) and text.lstrip(_QUOTE).startswith(_FORMULA) else text


def as_path_cell(path):
    """A cell of a path."""
    return f"./{path}" if path.startswith(_FORMULA) else path


def write_table(path: str | os.PathLike, columns: Sequence[str], rows: Iterable[Iterable]) -> None:
    """Writes a csv atomically, as UTF-8; a name that is no UTF-8 is written as its bytes.

    Args:
        path: the file.
        columns: their names; the cells of "path" are paths.
        rows: the values of each, in the order of the columns.

    Raises:
        UserError: the file cannot be written.
    """
    makers = [as_path_cell if name == "path" else as_cell for name in columns]
    with (
        replacing(path) as temporary,
        open(temporary, "w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows([cell_of(value) for cell_of, value in zip(makers, row)] for row in rows)
