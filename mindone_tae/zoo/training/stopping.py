"""Asking a run to stop: it ends the step it is in, saves, and leaves."""

import logging
import signal
import threading
import time
from contextlib import suppress

_logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Schedulers signal a job's processes and their parents, so that one request can arrive twice.
ONE_REQUEST_SECONDS = 0.5


class Stopped(Exception):
    """A run was asked to stop, and has saved and stopped.

    Args:
        number: of the signal that asked.
        message: where it stopped, and how to go on.
    """

    def __init__(self, number, message):
        super().__init__(message)
        self.number = number


class StopRequest:
    """While it is entered, the first SIGTERM, SIGHUP or Ctrl-C is noted and ends nothing; one that comes later ends the process at once.

    With everything it computes, MindSpore takes Ctrl-C over and turns it into SIGTERM: which of the two was sent cannot be told, and
    `listen` must be called before each longer wait. Outside of the main thread, where Python takes no signals, nothing is ever
    noted; a signal that this process was started to ignore (nohup, a shell's background job) stays ignored.

    Attributes:
        signal: number of the signal that came, None before.
    """

    def __init__(self):
        self.signal = None
        self._came = 0.0
        self._before = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.getsignal(number)
        self.listen()
        return self

    def listen(self):
        """Takes back the signals that MindSpore took."""
        for number in self._before:
            signal.signal(number, self._note)

    def __exit__(self, *exception):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        if self.signal is None:
            self.signal, self._came = number, time.monotonic()
            # A signal that interrupts a write to the terminal cannot write there itself.
            with suppress(RuntimeError):
                _logger.warning("asked to stop: this step is ended and saved first; Ctrl-C again leaves at once")
        elif time.monotonic() - self._came > ONE_REQUEST_SECONDS:
            # What is on the disk is whole at any moment, so the process may end wherever it is.
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
