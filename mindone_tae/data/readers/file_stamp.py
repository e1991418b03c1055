"""Telling whether a file is still the one it was."""

from __future__ import annotations

import os
import stat


def stamp_of(path: str | os.PathLike) -> tuple[int, ...] | None:
    """Numbers that change when a file is replaced, written to, or may no longer be read; None for what is no file.

    A folder has none: it stays as it is when an image in it changes.
    """
    try:
        facts = os.stat(path)
    except OSError:
        return None
    if not stat.S_ISREG(facts.st_mode):
        return None
    # the time of the last change covers permissions too, and unlike that of the last writing cannot be set back
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns
