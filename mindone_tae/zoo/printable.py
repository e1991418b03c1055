"""Text from somewhere else, made fit to be shown: no control character of a name ever acts on a terminal or forges a line of a log.

What a file is called and what stands in it is somebody else's text: escape sequences, line ends, marks that turn the reading direction
around, bytes that are no UTF-8. Errors (`errors.UserError`), the log and the console pass all they show through here.
"""

import logging
import re

# Control characters (C0, DEL, C1), line and paragraph separators, marks of direction, the byte order mark, surrogates.
_ACTING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
# What Python puts for a byte that is no UTF-8: this and the byte.
_BYTE = 0xDC00
_LONGEST_LINE = 4000
_LONGEST_VALUE = 200


def printable(text, most=_LONGEST_LINE):
    """A text as one line that only shows: what would act is written as an escape, and what is longer is cut.

    Args:
        text: any object; its str is taken.
        most: characters kept.
    """
    text = str(text)
    if len(text) > most:
        text = f"{text[:most]}..."
    return _ACTING.sub(lambda match: _escape(match[0]), text)


def shown(value, most=_LONGEST_VALUE):
    """What an error says of a value that somebody wrote: its repr, cut where it is long."""
    return printable(_repr(value, most), most)


def _escape(character):
    number = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    if _BYTE + 0x80 <= number <= _BYTE + 0xFF:
        return f"\\x{number - _BYTE:02x}"
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def _repr(value, most):
    """A repr that does not write out what is going to be cut: a value of a few bytes may unfold to any length."""
    if isinstance(value, str):
        return repr(value[: most + 1])
    if isinstance(value, int) and abs(value) >= 10**most:
        return f"a whole number of more than {most} digits"
    if isinstance(value, dict):
        return f"{{{_joined((f'{_repr(key, most)}: {_repr(inner, most)}' for key, inner in value.items()), most)}}}"
    if isinstance(value, list):
        return f"[{_joined((_repr(inner, most) for inner in value), most)}]"
    if isinstance(value, tuple):
        return f"({_joined((_repr(inner, most) for inner in value), most)}{',' * (len(value) == 1)})"
    return repr(value)


def _joined(parts, most):
    taken, length = [], 0
    for part in parts:
        taken.append(part)
        length += len(part)
        if length > most:
            break
    return ", ".join(taken)


class PrintableFormatter(logging.Formatter):
    """A log's formatter: a record is a line, whatever its names hold; the lines of a traceback stay lines."""

    def formatMessage(self, record):
        """As logging.Formatter has it."""
        return printable(super().formatMessage(record))

    def formatException(self, exc_info):
        """As logging.Formatter has it."""
        return "\n".join(map(printable, super().formatException(exc_info).split("\n")))
