"""A user's mistake told apart from ours, and how each is shown."""

import traceback
from pathlib import Path

import mindone_tae
from mindone_tae.zoo import UserError

_PACKAGE = Path(mindone_tae.__file__).resolve().parent


def report(error, console):
    """Shows an exception and gives the exit status: 2 for a mistake the user can mend, 1 for anything else."""
    if is_mistake(error):
        for line in str(error).splitlines():
            console.error(f"error: {line}")
        return 2
    console.error("".join(traceback.format_exception(error)).rstrip())
    where = f"; MindSpore's own words are in {console.noise}" if console.noise else ""
    console.error(f"error: this is a fault in mindone_tae or below it, not in what you wrote{where}")
    return 1


def is_mistake(error):
    """Whether an exception says what the user can mend: a UserError, or a ValueError raised by a line of this package."""
    if isinstance(error, UserError):
        return True
    if not isinstance(error, ValueError) or error.__traceback__ is None:
        return False
    innermost = traceback.extract_tb(error.__traceback__)[-1]
    return _PACKAGE in Path(innermost.filename).resolve().parents and innermost.line.startswith("raise ")
