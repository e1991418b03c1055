"""Files that appear whole or not at all."""

import os
import re
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import UserError

_TEMPORARY = re.compile(r"\.(?P<stem>.+)\.(?P<process>\d{1,19})\.tmp(?P<suffix>(\.\w+)?)")
_LEFT_SECONDS = 3600


@contextmanager
def replacing(path):
    """Gives a temporary path beside `path` to write to, and moves it into place when the block ends without an error.

    A kill at any moment leaves the file that was there before; an error removes the temporary one.

    Args:
        path: the file to appear; missing folders are made.

    Raises:
        UserError: the folder cannot be written, or the disk is full.
    """
    path = Path(path)
    # hidden, and with the same ending, by which video writers choose their format
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            _to_disk(temporary)
            os.replace(temporary, path)
            _to_disk(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def explained(path):
    """Says of a file that cannot be written which it is, and what can be done.

    Args:
        path: the file.

    Raises:
        UserError: in place of an OSError raised in the block.
    """
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror or error}; what was there before is kept: free space or choose another place"
        ) from error


def set_aside(path):
    """Gives a damaged file another name, so that what is written in its place does not destroy what is left of it.

    Args:
        path: the file.

    Returns:
        Its new path, beside the old one; an earlier file of that name is replaced.

    Raises:
        UserError: it cannot be renamed.
    """
    aside = path.with_name(f"{path.name}.damaged")
    with explained(path):
        os.replace(path, aside)
    return aside


def remove_temporaries(folder, of=lambda path: True, below=False):
    """Removes what `replacing` leaves in a folder when it is killed between its first line and its last.

    Args:
        folder: the folder.
        of: whether what was to become the file of this path goes; another process may be writing it right now.
        below: in the folders below, too.
    """
    for path, match in _temporaries(folder, below):
        if of(path.with_name(match["stem"] + match["suffix"])):
            path.unlink(missing_ok=True)


def remove_unfinished(folder):
    """Removes what killed processes left of `replacing`, in a folder and those below it.

    A file goes where no process of its number runs here, and nothing was written to it for an hour: another machine may be at it.
    """
    for path, match in _temporaries(folder, below=True):
        with suppress(FileNotFoundError):  # moved into place meanwhile
            if not _alive(int(match["process"])) and time.time() - path.stat().st_mtime > _LEFT_SECONDS:
                path.unlink()


def _temporaries(folder, below):
    """Yields (path, match of its name) of what `replacing` writes to."""
    for path in Path(folder).glob("**/.*.tmp*" if below else ".*.tmp*"):
        match = _TEMPORARY.fullmatch(path.name)
        if match:
            yield path, match


def _alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


def _to_disk(path):
    """Waits until a file's content, or a folder's names, are on the disk: a move alone may outlive a power cut that its content does not."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
