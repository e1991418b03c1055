"""Stopping a run by a signal: it ends its current step, saves, and exits."""

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
    """A run has saved and stopped because of a signal.

    Args:
        number: of the signal.
        message: where it stopped, and how to resume.
    """

    def __init__(self, number: int, message: str):
        super().__init__(message)
        self.number = number


class StopRequest:
    """Context that records the first SIGTERM, SIGHUP or Ctrl-C; a later one ends the process at once.

    Whenever MindSpore computes, it takes over the handling of Ctrl-C and turns it into SIGTERM: the two cannot be told
    apart, and `listen` must be called before each longer wait. Outside the main thread, where Python cannot handle
    signals, nothing is recorded; a signal that this process was started to ignore (nohup, a shell's background job)
    stays ignored.

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

    def listen(self) -> None:
        """Restores the handlers that MindSpore replaced."""
        for number in self._before:
            signal.signal(number, self._note)

    def __exit__(self, *exception):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        if self.signal is None:
            self.signal, self._came = number, time.monotonic()
            # A handler that interrupts a write to the terminal cannot write there itself.
            with suppress(RuntimeError):
                _logger.warning("asked to stop: this step is ended and saved first; Ctrl-C again leaves at once")
        elif time.monotonic() - self._came > ONE_REQUEST_SECONDS:
            # Files on disk are complete at any moment, so the process may end anywhere.
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
