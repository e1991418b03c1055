"""What a process can tell of msrun, which starts one for each card, before MindSpore is up."""

import os

# Set by msrun in every process that it starts: MS_WORKER for a rank, MS_SCHED for the one that brings the ranks together.
_ROLE = "MS_ROLE"


def started_by_msrun():
    """Whether msrun started this process."""
    return _ROLE in os.environ


def first_by_environment():
    """Whether this process is rank 0, or the only one, as far as its environment tells, before MindSpore is up."""
    return not started_by_msrun() or (os.environ[_ROLE] == "MS_WORKER" and os.environ.get("RANK_ID") == "0")
