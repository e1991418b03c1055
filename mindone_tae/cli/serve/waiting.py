"""Uploads that wait their turn: one is worked on at a time."""

import queue
import threading
from dataclasses import dataclass, replace

from mindone_tae.zoo import UserError


@dataclass(frozen=True)
class Progress:
    """How far one upload is.

    Attributes:
        state: "waiting", "working", "done" or "failed".
        share: of the work that is done, 0 to 1.
        text: what is going on, or why it failed.
        report: number of the report, once there is one.
    """

    state: str = "waiting"
    share: float = 0.0
    text: str = "waiting for the video before it"
    report: int | None = None


class WaitingLine:
    """Hands uploads to a function, one after another, in a thread of its own.

    Args:
        work: called with (upload, choice, tell), see `Jobs.run`; gives a report's number.
        most: uploads that may wait.
    """

    def __init__(self, work, most):
        self._work, self._waiting = work, queue.Queue(most)
        self._progress, self._lock = [], threading.Lock()
        threading.Thread(target=self._run, name="serve", daemon=True).start()

    def add(self, upload, choice):
        """Takes an upload, a path.

        Returns:
            Its ticket.

        Raises:
            UserError: too many wait.
        """
        with self._lock:
            ticket = len(self._progress)
            try:
                self._waiting.put_nowait((ticket, upload, choice))
            except queue.Full:
                raise UserError(f"{self._waiting.maxsize} videos are waiting; no more are taken: try later") from None
            self._progress.append(Progress())
        return ticket

    def progress(self, ticket):
        """The Progress of an upload; None where there is no such ticket."""
        return self._progress[ticket] if 0 <= ticket < len(self._progress) else None

    def _run(self):
        while True:
            ticket, upload, choice = self._waiting.get()
            self._tell(ticket, state="working", text="looking at the file")
            try:
                report = self._work(upload, choice, lambda share, text: self._tell(ticket, share=share, text=text))
                self._tell(ticket, state="done", share=1.0, text="done", report=report)
            except UserError as error:
                self._tell(ticket, state="failed", text=str(error))
            except Exception as error:  # a full disk, a fault of ours: the next video must not wait for ever
                self._tell(ticket, state="failed", text=f"{type(error).__name__}: {error}")

    def _tell(self, ticket, **changes):
        self._progress[ticket] = replace(self._progress[ticket], **changes)
