"""Detecting whether a file has changed."""

from __future__ import annotations

import os
import stat


def stamp_of(path: str | os.PathLike) -> tuple[int, ...] | None:
    """Numbers that change when a file is replaced, written to, or has its permissions changed; None without a file.

    A folder has none, as its own numbers do not change when an image in it does.
    """
    try:
        facts = os.stat(path)
    except OSError:
        return None
    if not stat.S_ISREG(facts.st_mode):
        return None
    # ctime covers permissions too, and unlike mtime it cannot be set back
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns
