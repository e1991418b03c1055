"""Detecting msrun, which starts a process for each card, before MindSpore is initialized; and ending with it."""

import ctypes
import os
import signal
import sys
from pathlib import Path

# Linux's prctl: the signal that a process gets when the one that started it has ended.
_PR_SET_PDEATHSIG = 1
# Set by msrun in every process that it starts: MS_WORKER for a rank, MS_SCHED for the scheduler.
_ROLE = "MS_ROLE"


def started_by_msrun() -> bool:
    """Whether msrun started this process."""
    return _ROLE in os.environ


def first_by_environment() -> bool:
    """Whether this process is rank 0 or the only one, by its environment alone, before MindSpore is initialized."""
    return not started_by_msrun() or (os.environ[_ROLE] == "MS_WORKER" and os.environ.get("RANK_ID") == "0")


def end_with_msrun() -> None:
    """Makes the kernel send a rank SIGTERM when msrun ends: msrun, ended by SIGTERM or SIGKILL, leaves its ranks alone.

    Not for the scheduler process, which ends with the ranks, nor for a rank that msrun does not wait for
    (--join=False), which is meant to continue.
    """
    if sys.platform == "linux" and os.environ.get(_ROLE) == "MS_WORKER" and _parent_is_msrun():
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))


def _parent_is_msrun():
    try:
        words = Path(f"/proc/{os.getppid()}/cmdline").read_bytes().split(b"\0")
    except OSError:  # it has ended
        return False
    return any(os.path.basename(word) == b"msrun" for word in words)
