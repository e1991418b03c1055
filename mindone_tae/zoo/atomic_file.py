"""Files and folders written atomically, and folders locked by one process at a time."""

import errno
import fcntl
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
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
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary path beside `path` to write to, and moves it into place when the block ends without an error.

    A kill at any moment leaves the previous file; an error removes the temporary one.

    Args:
        path: the final file; missing folders are created.

    Raises:
        UserError: the folder cannot be written, or the disk is full.
    """
    path = Path(path)
    # hidden, and with the same suffix, by which video writers choose their format
    with _moved_into_place(path, _temporary_name(path.stem, path.suffix)) as temporary:
        yield temporary


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes a text file atomically, as UTF-8.

    Args:
        path: the file; missing folders are created.
        text: its content.

    Raises:
        UserError: as `replacing` does.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def replacing_folder(path: str | os.PathLike) -> Iterator[Path]:
    """`replacing` for a folder of files: yields an empty one. A previous folder is removed just before the move.

    Args:
        path: the final folder.

    Raises:
        UserError: it cannot be written, or the disk is full.
    """
    path = Path(path)
    with _moved_into_place(path, _temporary_name(path.name)) as temporary:
        temporary.mkdir()
        yield temporary


@contextmanager
def _moved_into_place(path, temporary_name):
    """Yields a temporary path, and moves the file or folder that the block makes there to `path`."""
    temporary = path.with_name(temporary_name)
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _in_work.add(temporary)
        try:
            yield temporary
            folder = temporary.is_dir()
            for file in temporary.iterdir() if folder else ():
                _to_disk(file)
            _to_disk(temporary)
            if folder and path.exists():
                shutil.rmtree(path)
            os.replace(temporary, path)
            _to_disk(path.parent)
        finally:
            _remove(temporary)
            _in_work.discard(temporary)


@contextmanager
def explained(path: str | os.PathLike) -> Iterator[None]:
    """Converts an OSError to a UserError that names the file and the remedy.

    Args:
        path: the file.

    Raises:
        UserError: in place of an OSError raised in the block.
    """
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror or error}; what was there before is kept: "
            "free space or choose another place"
        ) from error


def _temporary_name(stem, suffix=""):
    ending = f".{os.getpid()}.tmp{suffix}"
    room = LONGEST_NAME - len(os.fsencode(f".{ending}"))
    held = os.fsencode(stem)
    if len(held) > room:
        held = held[: max(room - len(_CUT), 0)] + _CUT.encode()
    return f".{os.fsdecode(held)}{ending}"


def set_aside(path: Path) -> Path:
    """Renames a damaged file or folder, so that a new one in its place does not overwrite it.

    Args:
        path: the file or folder.

    Returns:
        Its new path, beside the old one; an earlier one of that name is replaced.

    Raises:
        UserError: it cannot be renamed.
    """
    new = aside(path)
    with explained(path):
        if new.is_dir():
            shutil.rmtree(new)
        os.replace(path, new)
    return new


def aside(path: Path) -> Path:
    """Where `set_aside` moves a path."""
    return path.with_name(f"{path.name}.damaged")


@contextmanager
def locked(folder: str | os.PathLike, name: str = ".lock", wait: bool = False) -> Iterator[None]:
    """Locks a folder while the block runs; the system releases the lock however the process ends.

    On a file system without locks nothing is locked.

    Args:
        folder: created if missing.
        name: of the lock's file in it.
        wait: wait until another process releases it.

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


def remove_temporaries(
    folder: str | os.PathLike, of: Callable[[Path], bool] = lambda path: True, below: bool = False
) -> None:
    """Removes temporary files that killed processes left in a folder while they were in `replacing`.

    Args:
        folder: the folder.
        of: whether to remove the temporary file of this final path; another process may be writing it right now.
        below: in the folders below, too.
    """
    for path, match in _temporaries(folder, below):
        if match["stem"].endswith(_CUT) and _alive(int(match["process"])):
            continue  # whose it is cannot be told by its name
        if of(path.with_name(match["stem"] + match["suffix"])):
            _remove(path)


def remove_unfinished(folder: str | os.PathLike) -> None:
    """Removes temporary files that killed processes left in a folder and those below it.

    Only files whose process does not run here and that have not changed for an hour: another machine may be writing.
    """
    for path, match in _temporaries(folder, below=True):
        with suppress(FileNotFoundError):  # moved into place meanwhile
            if not _alive(int(match["process"])) and time.time() - path.stat().st_mtime > _LEFT_SECONDS:
                _remove(path)


def remove_own() -> None:
    """Removes this process's temporary files, where it is about to end without leaving its `replacing` blocks."""
    for path in list(_in_work):
        with suppress(OSError):
            _remove(path)


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _temporaries(folder, below):
    """Yields (path, match of its name) of temporary files of `replacing`."""
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
    """Waits until a file's content, or a folder's names, are on disk: a power cut may keep only a rename."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_file_name(written: str) -> bool:
    """Whether a text can be a path: no zero byte, and no surrogates but those of bytes that are not UTF-8."""
    try:
        return b"\0" not in os.fsencode(written)
    except UnicodeEncodeError:
        return False
