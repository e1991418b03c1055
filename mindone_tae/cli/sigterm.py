"""Signals that ask a command to stop: SIGTERM, SIGHUP (a lost connection) and Ctrl-C."""

import os
import signal
import threading
import time
from contextlib import contextmanager

from mindone_tae.zoo.atomic_file import remove_own
from mindone_tae.zoo.training.stopping import ONE_REQUEST_SECONDS, SIGNALS, Stopped

# How long the main thread may take to leave, before the process is ended where it is: a compilation hears nothing.
_GRACE_SECONDS = 3.0


class _Stop:
    """What was asked, and whether the command has left its block.

    Attributes:
        number: of the first signal, None before.
        left: set when the block is left.
    """

    def __init__(self):
        self.number = None
        self.left = threading.Event()

    def handle(self, number, frame):
        # Schedulers signal a job's processes and their parents, so that one request can arrive twice.
        if self.number is None:
            self.number = number
            raise KeyboardInterrupt  # no handler of errors on the way keeps it

    def watch(self, pipe, message, report):
        """Ends the process where the main thread does not hear a signal. Runs in a thread of its own.

        Python's own handler only writes the number to a pipe; what is to be done waits until the main thread is back in Python.
        """
        first = None
        while received := os.read(pipe, 1):
            number = received[0]
            if number not in SIGNALS:
                continue
            first = first or time.monotonic()
            again = time.monotonic() - first > ONE_REQUEST_SECONDS
            if signal.getsignal(number) != self.handle and not again:
                continue  # a training loop's, which saves first; it is given up for a second request only
            if not self.left.wait(_GRACE_SECONDS):
                remove_own()
                report(message)
                os._exit(128 + (self.number or number))
        os.close(pipe)


@contextmanager
def stoppable(message, report):
    """The first SIGTERM, SIGHUP or Ctrl-C leaves the block by way of everything that tidies up; a second one changes nothing.

    Where the main thread computes and does not hear it for some seconds, the process ends there, with what it was writing
    removed. MindSpore turns Ctrl-C into SIGTERM while it computes. Outside of the main thread, where Python takes no signals,
    all stays as it is; so does a signal that this process was started to ignore (nohup, a shell's background job).

    Args:
        message: the line to end with.
        report: called with it where the process is ended.

    Raises:
        Stopped: a signal came.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stop = _Stop()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
    descriptor_before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=stop.watch, args=(reading, message, report), name="signals", daemon=True).start()
    try:
        for number in before:
            signal.signal(number, stop.handle)
        yield
    except BaseException as error:
        # whatever an interrupted import or computation made of it
        if stop.number is None or isinstance(error, Stopped):
            raise
        raise Stopped(stop.number, message) from None
    finally:
        stop.left.set()
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(descriptor_before)
        os.close(writing)
