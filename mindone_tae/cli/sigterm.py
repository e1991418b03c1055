"""Signals that ask a command to stop: SIGTERM, SIGHUP (a lost connection) and Ctrl-C."""

import os
import signal
import threading
import time
from contextlib import contextmanager

from mindone_tae.zoo.atomic_file import remove_own
from mindone_tae.zoo.training.stopping import ONE_REQUEST_SECONDS, SIGNALS, Stopped

# Seconds the main thread has to leave before the process is ended: while it compiles it does not react to signals.
_GRACE_SECONDS = 3.0


class Asked(KeyboardInterrupt):
    """A signal asked to stop; no Exception, so that no error handler catches it.

    `stoppable` makes a Stopped of it. One that comes at the very end of its block is seen as it is.

    Args:
        number: of the signal.
        message: the line to end with.
    """

    def __init__(self, number, message):
        super().__init__(message)
        self.number = number


class _Stop:
    """The signal received, and whether the command has left its block.

    Args:
        message: the line to end with.

    Attributes:
        number: of the first signal, None before.
        left: set when the block is left.
    """

    def __init__(self, message):
        self.message = message
        self.number = None
        self.left = threading.Event()

    def handle(self, number, frame):
        # Schedulers signal a job's processes and their parents, so that one request can arrive twice.
        if self.number is None:
            self.number = number
            raise Asked(number, self.message)

    def watch(self, pipe, report):
        """Ends the process where the main thread does not react to a signal. Runs in a thread of its own.

        Python writes the signal's number to a pipe at once, but runs handlers only when the main thread is back in
        Python.
        """
        first = None
        while received := os.read(pipe, 1):
            number = received[0]
            if number not in SIGNALS:
                continue
            first = first or time.monotonic()
            again = time.monotonic() - first > ONE_REQUEST_SECONDS
            if signal.getsignal(number) != self.handle and not again:
                continue  # a training loop handles it, and saves first; only a second request ends that
            if not self.left.wait(_GRACE_SECONDS):
                remove_own()
                report(self.message)
                os._exit(128 + (self.number or number))
        os.close(pipe)


@contextmanager
def stoppable(message, report):
    """Context that the first SIGTERM, SIGHUP or Ctrl-C leaves by an exception, running cleanup; later ones do nothing.

    If the main thread does not react for some seconds, because it computes, the process ends there and removes its
    temporary files. MindSpore turns Ctrl-C into SIGTERM while it computes. Outside the main thread, where Python cannot
    handle signals, nothing changes; a signal that this process was started to ignore (nohup, a shell's background job)
    stays ignored.

    Args:
        message: the line to end with.
        report: called with it where the process is ended.

    Raises:
        Stopped: a signal came.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stop = _Stop(message)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
    descriptor_before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=stop.watch, args=(reading, report), name="signals", daemon=True).start()
    try:
        for number in before:
            signal.signal(number, stop.handle)
        yield
    except BaseException as error:
        # whatever an interrupted import or computation made of it
        if stop.number is None or isinstance(error, (Stopped, GeneratorExit)):
            raise
        raise Stopped(stop.number, message) from None
    finally:
        stop.left.set()
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(descriptor_before)
        os.close(writing)
