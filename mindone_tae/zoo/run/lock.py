"""One process at a time in a run's folder: two that save into it would spoil each other's files."""

import errno
import fcntl
import os
from contextlib import contextmanager
from pathlib import Path

from ..atomic_file import explained
from ..errors import UserError


@contextmanager
def locked(folder):
    """Holds the folder while the block runs. However the process ends, the system lets go of it.

    Args:
        folder: made where it is missing.

    Raises:
        UserError: another process holds it, or it cannot be written.
    """
    path = Path(folder) / ".lock"
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _take(handle, folder)
        yield
    finally:
        os.close(handle)


def _take(handle, folder):
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            return  # a file system without locks
        holder = os.pread(handle, 64, 0).decode(errors="replace").strip()
        raise UserError(f"{folder} is in use by {holder or 'another process'}; one run at a time can write there: end that one, or choose another --output_path") from None
    with explained(folder):
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()} on {os.uname().nodename}\n".encode(), 0)
