"""Distinguishes a user's mistakes from faults of the package, and prints either."""

import os
import traceback
from pathlib import Path

import mindone_tae
from mindone_tae.zoo import UserError

_PACKAGE = Path(mindone_tae.__file__).resolve().parent


def report(error, console):
    """Prints an exception and returns the exit status: 2 for a mistake the user can correct, 1 for anything else."""
    told = _machine(error) or (str(error).split("\n") if is_mistake(error) else None)
    if told:
        console.error(*(f"error: {line}" for line in told))
        return 2
    console.error(*"".join(traceback.format_exception(error)).rstrip().split("\n"))
    where = f"; MindSpore's own messages are in {console.noise}" if console.noise else ""
    console.error(f"error: this is a fault in mindone_tae or below it, not in what you wrote{where}")
    return 1


def _machine(error):
    """Lines for an OSError or a MemoryError; None for any other exception."""
    if isinstance(error, OSError):
        what = error.filename if error.filename is not None else "a file"
        reason = error.strerror or str(error) or type(error).__name__
        return [
            f"{os.fsdecode(what) if isinstance(what, bytes) else what}: {reason}: "
            "check the name, its permissions and the disk"
        ]
    if isinstance(error, MemoryError):
        asked = f" ({error})" if str(error) else ""
        return [
            f"the memory does not suffice{asked}: "
            "ask for less at a time (--batch_size, --num_frames, --image_size, --enable_tile)"
        ]
    return None


def is_mistake(error):
    """Whether an exception is a user's mistake: a UserError, or a ValueError raised by a line of this package."""
    if isinstance(error, UserError):
        return True
    if not isinstance(error, ValueError) or error.__traceback__ is None:
        return False
    innermost = traceback.extract_tb(error.__traceback__)[-1]
    return _PACKAGE in Path(innermost.filename).resolve().parents and innermost.line.startswith("raise ")
