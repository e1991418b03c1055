"""This process's share of a command's work, where several processes divide it."""

import os
import re

from mindone_tae.zoo import UserError
from mindone_tae.zoo.device.msrun import end_with_msrun

from . import flags

_COUNT = re.compile("[0-9]{1,9}")


def add_to(parser):
    """The flags."""
    rank = "rank of this process among those that share the work; default: RANK_ID, which msrun sets, or 0"
    flags.add_number(parser, "--rank", rank, 0)
    world = "number of processes that share the work; default: RANK_SIZE, which msrun sets, or 1"
    flags.add_number(parser, "--world", world, 1)


def rank_and_ranks(options):
    """This process's rank and the number of ranks, from the flags or else the environment.

    Raises:
        UserError: only one of the two, not a number, or a rank that is not below the number of ranks.
    """
    rank = _number("--rank", options.rank, "RANK_ID")
    ranks = _number("--world", options.world, "RANK_SIZE")
    if rank is None and ranks in (None, 1):
        return 0, 1
    if rank is None or ranks is None:
        flags_of = ("--rank (RANK_ID)", "--world (RANK_SIZE)")
        given, missing = flags_of if ranks is None else reversed(flags_of)
        raise UserError(
            f"{given} is {ranks if rank is None else rank} and {missing} is missing; processes that share work need "
            f"both: give {missing.split()[0]}"
        )
    if not 0 <= rank < ranks:
        raise UserError(
            f"--rank is {rank} and --world {ranks}; ranks go from 0 to {max(ranks - 1, 0)}: "
            "give each process one of its own"
        )
    return rank, ranks


def leave_msrun():
    """Makes this an independent process, for work whose parts need no communication.

    Returns:
        Whether this is msrun's scheduler process, which has nothing to do.
    """
    end_with_msrun()
    return os.environ.pop("MS_ROLE", None) == "MS_SCHED"


def _number(flag, given, variable):
    if given is not None:
        return given
    text = os.environ.get(variable) or None
    if text is not None and not _COUNT.fullmatch(text.strip()):
        raise UserError(f"{variable} is {text!r}; it must be a whole number: give {flag}")
    return None if text is None else int(text)
