"""Files and folders that appear whole or not at all, and folders that one process at a time writes to."""

import errno
import fcntl
import os
import re
import shutil
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import UserError

_TEMPORARY = re.compile(r"\.(?P<stem>.+)\.(?P<process>\d{1,19})\.tmp(?P<suffix>(\.\w+)?)")
_LEFT_SECONDS = 3600
# Bytes of one name, on every file system of Linux.
LONGEST_NAME = 255
# Stands behind the stem of a temporary name that is cut to fit.
_CUT = "~"
# Temporary paths that this process is writing to.
_in_work = set()


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
    temporary = path.with_name(_temporary_name(path.stem, path.suffix))
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _in_work.add(temporary)
        try:
            yield temporary
            _to_disk(temporary)
            os.replace(temporary, path)
            _to_disk(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
            _in_work.discard(temporary)


@contextmanager
def replacing_folder(path):
    """As `replacing`, a folder of files: gives an empty one to write to. A folder that was there before is removed just before.

    Args:
        path: the folder to appear.

    Raises:
        UserError: it cannot be written, or the disk is full.
    """
    path = Path(path)
    temporary = path.with_name(_temporary_name(path.name))
    with explained(path):
        _in_work.add(temporary)
        try:
            temporary.mkdir(parents=True)
            yield temporary
            for file in temporary.iterdir():
                _to_disk(file)
            _to_disk(temporary)
            if path.exists():
                shutil.rmtree(path)
            os.replace(temporary, path)
            _to_disk(path.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            _in_work.discard(temporary)


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


def _temporary_name(stem, suffix=""):
    ending = f".{os.getpid()}.tmp{suffix}"
    room = LONGEST_NAME - len(os.fsencode(f".{ending}"))
    held = os.fsencode(stem)
    if len(held) > room:
        held = held[: max(room - len(_CUT), 0)] + _CUT.encode()
    return f".{os.fsdecode(held)}{ending}"


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


@contextmanager
def locked(folder, name=".lock", wait=False):
    """Holds a folder while the block runs. However the process ends, the system lets go of it.

    On a file system without locks nothing is held.

    Args:
        folder: made where it is missing.
        name: of the lock's file in it.
        wait: until another process lets go of it.

    Raises:
        UserError: another process holds it, or it cannot be written.
    """
    path = Path(folder) / name
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                holder = os.pread(handle, 64, 0).decode(errors="replace").strip() or "another process"
                raise UserError(
                    f"{folder} is in use by {holder}; one run at a time can write there: "
                    "end that one, or choose another --output_path"
                ) from None
        else:
            with explained(folder):
                os.ftruncate(handle, 0)
                os.pwrite(handle, f"process {os.getpid()} on {os.uname().nodename}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def remove_temporaries(folder, of=lambda path: True, below=False):
    """Removes what `replacing` leaves in a folder when it is killed between its first line and its last.

    Args:
        folder: the folder.
        of: whether what was to become the file of this path goes; another process may be writing it right now.
        below: in the folders below, too.
    """
    for path, match in _temporaries(folder, below):
        if match["stem"].endswith(_CUT) and _alive(int(match["process"])):
            continue  # whose it is cannot be told by its name
        if of(path.with_name(match["stem"] + match["suffix"])):
            _remove(path)


def remove_unfinished(folder):
    """Removes what killed processes left of `replacing`, in a folder and those below it.

    A file goes where no process of its number runs here, and nothing was written to it for an hour: another machine may be at it.
    """
    for path, match in _temporaries(folder, below=True):
        with suppress(FileNotFoundError):  # moved into place meanwhile
            if not _alive(int(match["process"])) and time.time() - path.stat().st_mtime > _LEFT_SECONDS:
                _remove(path)


def remove_own():
    """Removes what this process was writing, where it is about to end without leaving its blocks."""
    for path in list(_in_work):
        with suppress(OSError):
            _remove(path)


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _temporaries(folder, below):
    """Yields (path, match of its name) of what `replacing` writes to."""
    for path in list(Path(folder).glob("**/.*.tmp*" if below else ".*.tmp*")):
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
