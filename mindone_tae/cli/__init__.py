"""The command `mindone-tae`: parses arguments, runs a command, prints.

Nothing here imports MindSpore until a command needs it, so that --help and list answer at once.
"""

import os
import signal
import sys
from contextlib import suppress

from mindone_tae.zoo.device.msrun import started_by_msrun
from mindone_tae.zoo.training.stopping import SIGNALS, Stopped

from .console import Console
from .mistakes import report as report_mistake
from .parser import parse
from .sigterm import Asked, stoppable

__all__ = ["main", "run"]


# Command: message after it was stopped.
_NOTHING = "nothing was written; the same command starts again"
_FILES = "finished files are kept, unfinished ones removed"
_GO_ON = {
    "train": "what was saved before is kept; the same command with --resume goes on from there",
    "encode": f"{_FILES}; the same command goes on with the others",
    "decode": f"{_FILES}; the same command starts again",
    "reconstruct": f"{_FILES}; the same command starts again",
    "serve": "the reports that were made are kept",
    "check-data": "the files that were checked are noted; the same command with --resume goes on with the others",
    "demo": "what was made is kept; the same command with --force starts again",
}


def main(arguments=None):
    """The entry point of the command.

    Args:
        arguments: the words after `mindone-tae`; None takes those of this process.

    Ends the process without MindSpore's teardown, which at times aborts a PyNative process on a CPU whose work is done
    and would change the exit status. One of several ranks exits normally, after a signal too: in that teardown it signs
    off from the others, which would otherwise wait for it, count it as lost, and hold the port of the next start.
    """
    status = run(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, full, or gone
            stream.flush()
    if started_by_msrun() and status in (0, *(128 + number for number in SIGNALS)):
        sys.exit(status)
    os._exit(status)


def run(arguments):
    """Runs one command.

    Args:
        arguments: the words after `mindone-tae`.

    Returns:
        Exit status: 0 success, 2 a mistake the user can correct, 128 + n ended by signal n (129 SIGHUP, 130 Ctrl-C, 143
        SIGTERM), 1 anything else.
    """
    console = Console()
    try:
        options = parse(arguments)
        with stoppable(f"asked to stop: {_GO_ON.get(options.name, _NOTHING)}", console.error):
            return options.command(options, console) or 0
    except SystemExit as stop:  # argparse has printed its message
        return stop.code if isinstance(stop.code, int) else 2
    except (Stopped, Asked) as stop:
        console.error(str(stop))
        return 128 + stop.number
    except KeyboardInterrupt:
        console.error("stopped by the keyboard")
        return 128 + signal.SIGINT
    except BrokenPipeError:
        return 1
    except Exception as error:  # the last place that can distinguish a user's mistake from a fault
        return report_mistake(error, console)
    finally:
        console.close()
