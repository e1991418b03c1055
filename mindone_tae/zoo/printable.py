"""Escapes untrusted text for display, so that no control character acts on a terminal or forges a line of a log.

Names and contents of files may hold escape sequences, line ends, marks of reading direction and bytes that are not
UTF-8. Errors (`errors.UserError`), the log and the console pass all text through here.
"""

import logging
import re

# Control characters (C0, DEL, C1), line and paragraph separators, marks of direction, the byte order mark, surrogates.
_ACTING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
# Python decodes a byte that is not UTF-8 to this plus the byte (surrogateescape).
_BYTE = 0xDC00
_LONGEST_LINE = 4000
_LONGEST_VALUE = 200


def printable(text: object, most: int = _LONGEST_LINE) -> str:
    """A text as one line, its control characters escaped and its length limited.

    Args:
        text: any object; its str is taken.
        most: most characters kept.
    """
    text = str(text)
    if len(text) > most:
        text = f"{text[:most]}..."
    return _ACTING.sub(lambda match: _escape(match[0]), text)


def shown(value: object) -> str:
    """A user's value as errors show it: its repr, cut to a length."""
    return printable(_repr(value), _LONGEST_VALUE)


def _escape(character):
    number = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    if _BYTE + 0x80 <= number <= _BYTE + 0xFF:
        return f"\\x{number - _BYTE:02x}"
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def _repr(value):
    """A repr limited while it is made: a value of a few bytes may expand to any length."""
    if isinstance(value, str):
        return repr(value[: _LONGEST_VALUE + 1])
    if isinstance(value, int) and abs(value) >= 10**_LONGEST_VALUE:
        return f"a whole number of more than {_LONGEST_VALUE} digits"
    if isinstance(value, dict):
        return f"{{{_joined(f'{_repr(key)}: {_repr(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list):
        return f"[{_joined(map(_repr, value))}]"
    if isinstance(value, tuple):
        return f"({_joined(map(_repr, value))}{',' * (len(value) == 1)})"
    return repr(value)


def _joined(parts):
    taken, length = [], 0
    for part in parts:
        taken.append(part)
        length += len(part)
        if length > _LONGEST_VALUE:
            break
    return ", ".join(taken)


class PrintableFormatter(logging.Formatter):
    """A log formatter that makes each record one line, whatever text is in it; a traceback keeps its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        return printable(super().formatMessage(record))

    def formatException(self, exc_info: tuple) -> str:
        """See logging.Formatter."""
        return "\n".join(map(printable, super().formatException(exc_info).split("\n")))
