"""Queue of uploads, processed one at a time."""

import queue
import threading
from dataclasses import dataclass, replace

from mindone_tae.zoo import UserError


@dataclass(frozen=True)
class Progress:
    """Progress of one upload.

    Attributes:
        state: "waiting", "working", "done" or "failed".
        share: share of the work done, 0 to 1.
        text: the current step, or why it failed.
        report: number of the finished report.
    """

    state: str = "waiting"
    share: float = 0.0
    text: str = "waiting for the video before it"
    report: int | None = None


class WaitingLine:
    """Calls a function with one upload after another, in a thread.

    Args:
        work: called with (upload, choice, tell), see `Jobs.run`; returns the report's number.
        most: most uploads that may wait.
    """

    def __init__(self, work, most):
        self._work, self._waiting = work, queue.Queue(most)
        self._progress, self._lock = [], threading.Lock()
        threading.Thread(target=self._run, name="serve", daemon=True).start()

    def add(self, upload, choice):
        """Adds the path of an upload to the queue.

        Returns:
            Its ticket.

        Raises:
            UserError: the queue is full.
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
        """The Progress of an upload; None if there is no such ticket."""
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
            except Exception as error:  # a full disk or a bug: the thread must go on with the next video
                self._tell(ticket, state="failed", text=f"{type(error).__name__}: {error}")

    def _tell(self, ticket, **changes):
        self._progress[ticket] = replace(self._progress[ticket], **changes)
