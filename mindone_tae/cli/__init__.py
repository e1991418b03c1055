"""The command `mindone-tae`: reads arguments, calls the rooms, prints.

Nothing here imports MindSpore until a command needs it: --help and list answer at once.
"""

import os
import signal
import sys

from mindone_tae.zoo.device.msrun import started_by_msrun
from mindone_tae.zoo.training.stopping import Stopped

from .console import Console
from .mistakes import report
from .parser import parse

__all__ = ["main", "run"]


def main(arguments=None):
    """The entry point of the command.

    Args:
        arguments: the words after `mindone-tae`; None takes those of this process.

    Ends the process without unwinding it: MindSpore's own teardown at times aborts a PyNative process on a CPU whose work is
    done, which would spoil the exit status. One of several ranks is unwound, as it takes leave of the others in that teardown: who
    does not is waited for, and counts as lost.
    """
    status = run(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if status == 0 and started_by_msrun():
        sys.exit()
    os._exit(status)


def run(arguments):
    """Runs one command.

    Args:
        arguments: the words after `mindone-tae`.

    Returns:
        Exit status: 0 success, 2 a mistake the user can mend, 128 + n ended by signal n (130 Ctrl-C, 143 SIGTERM), 1 anything else.
    """
    console = Console()
    try:
        options = parse(arguments)
        return options.command(options, console) or 0
    except SystemExit as stop:  # argparse has said what it had to say
        return stop.code if isinstance(stop.code, int) else 2
    except KeyboardInterrupt:
        console.error("stopped by the keyboard; what was saved before is kept (train: --resume goes on from it)")
        return 128 + signal.SIGINT
    except Stopped as stop:
        console.error(str(stop))
        return 128 + stop.number
    except BrokenPipeError:
        return 1
    except Exception as error:  # the last place that can tell a user's mistake from ours
        return report(error, console)
    finally:
        console.close()
