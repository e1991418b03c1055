"""What a process can tell of msrun, which starts one for each card, before MindSpore is up; and how it ends with it."""

import ctypes
import os
import signal
import sys
from pathlib import Path

# Linux's prctl: the signal that a process gets when the one that started it has ended.
_PR_SET_PDEATHSIG = 1
# Set by msrun in every process that it starts: MS_WORKER for a rank, MS_SCHED for the one that brings the ranks together.
_ROLE = "MS_ROLE"


def started_by_msrun():
    """Whether msrun started this process."""
    return _ROLE in os.environ


def first_by_environment():
    """Whether this process is rank 0, or the only one, as far as its environment tells, before MindSpore is up."""
    return not started_by_msrun() or (os.environ[_ROLE] == "MS_WORKER" and os.environ.get("RANK_ID") == "0")


def end_with_msrun():
    """Has a rank sent SIGTERM when msrun ends, which at a SIGTERM or SIGKILL of its own leaves its ranks to go on alone.

    The process beside them that brings them together is left as it is: it ends with them. So is a rank that msrun does not wait for
    (--join=False): it is meant to go on.
    """
    if sys.platform == "linux" and os.environ.get(_ROLE) == "MS_WORKER" and _parent_is_msrun():
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))


def _parent_is_msrun():
    try:
        words = Path(f"/proc/{os.getppid()}/cmdline").read_bytes().split(b"\0")
    except OSError:  # it has ended
        return False
    return any(os.path.basename(word) == b"msrun" for word in words)
