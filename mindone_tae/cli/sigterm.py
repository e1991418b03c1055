"""SIGTERM to a command that writes videos."""

import signal
import threading
from contextlib import contextmanager

from mindone_tae.zoo.training.stopping import Stopped


@contextmanager
def stoppable():
    """SIGTERM leaves the block as Ctrl-C does, by way of everything that tidies up; a second one changes nothing.

    MindSpore turns Ctrl-C into SIGTERM while it computes. Outside of the main thread, where Python takes no signals, and where
    this process was started to ignore SIGTERM, all stays as it is.

    Raises:
        Stopped: SIGTERM came.
    """
    before = signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread() or before is signal.SIG_IGN:
        yield
        return
    came = []

    def stop(number, frame):
        # Schedulers signal a job's processes and their parents, so that one request can arrive twice.
        if not came:
            came.append(number)
            raise KeyboardInterrupt  # no handler of errors on the way keeps it

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        if not came:
            raise
        raise Stopped(came[0], "asked to stop: the files that were done are kept, and nothing is left of those in work") from None
    finally:
        signal.signal(signal.SIGTERM, before)
