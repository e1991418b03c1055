"""The error for mistakes that the user can correct, and helpers for its wording."""

import difflib
from collections.abc import Iterable
from numbers import Real

from .printable import printable

# Longer names are cut before they are compared.
_LONGEST_NAME = 100


class UserError(ValueError):
    """A user's mistake; the message has the rule, the value and the remedy.

    Args:
        *lines: one for each mistake; each is shown as one line, whatever the names and values quoted in it contain.
    """

    def __init__(self, *lines: str):
        super().__init__("\n".join(map(printable, lines)))


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """'; did you mean x?' for the names nearest to a misspelt one, or '' where nothing is near.

    Args:
        name: what was written.
        known: the names that would have been right.
    """
    by_lower = {entry.lower(): entry for entry in known}
    near = difflib.get_close_matches(str(name)[:_LONGEST_NAME].lower(), by_lower, n=3, cutoff=0.6)
    if not near:
        return ""
    return "; did you mean " + " or ".join(f"'{by_lower[match]}'" for match in near) + "?"


def require_one_of(known: Iterable[str], value: object, what: str, remedy: str = "") -> None:
    """Refuses a value that is none of the known names.

    Args:
        known: the names.
        value: what was given.
        what: its name in the message, such as "reduction".
        remedy: which to use; the nearest names follow it.

    Raises:
        UserError: it is none of them.
    """
    if value not in known:
        ending = (f": {remedy}" if remedy else "") + did_you_mean(value, known)
        raise UserError(f"{what} is {value!r}; it must be one of {', '.join(known)}{ending}")


def require_within(least: float, most: float, value: float, what: str, remedy: str) -> None:
    """Refuses what is no number, or one that is out of its range, or NaN.

    Args:
        least: the smallest allowed.
        most: the largest.
        value: what was given.
        what: its name in the message, such as "crf".
        remedy: which to use.

    Raises:
        UserError: it is smaller, larger, NaN or no number.
    """
    if not isinstance(value, Real) or not least <= value <= most:
        raise UserError(f"{what} is {value!r}; it must be from {least:.12g} to {most:.12g}: {remedy}")


def listed(names: Iterable[str]) -> str:
    """'a, b, c', or '(none)'."""
    return ", ".join(names) or "(none)"
