"""Lists of names in messages."""

from collections.abc import Iterable

LISTED = 20


def shortened(names: Iterable[str]) -> str:
    """'a, b, c', or the first twenty names and the number of the others."""
    names = list(names)
    more = f", and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
