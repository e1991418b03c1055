"""Cells of a csv that no spreadsheet takes for a formula, and that are read back as they were.

Excel and others compute what begins with = + - or @, and a file's name or a caption may be anything. A path gets "./"
in front, which names the same file to every program; any other text gets an apostrophe, which `from_cell` removes.
"""

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
