"""Writes TensorBoard's event files, synchronously.

tensorboardX's own SummaryWriter passes events to a thread; if the disk is full that thread ends, and later events wait
for it for ever. Here a full disk is an error where it happens.
"""

import os
import time
from pathlib import Path

import numpy as np
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog

from ..atomic_file import explained

_FLUSH_SECONDS = 5.0


class EventFile:
    """One session's event file.

    Args:
        folder: where it goes, beside those of earlier sessions.
        first_step: steps made before; what earlier sessions wrote of later ones is hidden by TensorBoard.

    Raises:
        UserError: here and in every method, the file cannot be written.
    """

    def __init__(self, folder: str | Path, first_step: int):
        self._path = Path(folder) / "events"
        with explained(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # two sessions may start within the second that names the file, in one process even
            earlier = len(list(self._path.parent.iterdir()))
            self._writer = EventsWriter(str(self._path), f".{earlier}.{os.getpid()}")
        self._flushed = 0.0
        if first_step:
            self._write(Event(step=first_step + 1, session_log=SessionLog(status=SessionLog.START)))

    def scalars(self, step: int, figures: dict[str, float]) -> None:
        """Adds numbers of a step: tag to value."""
        for tag, value in figures.items():
            self._write(Event(step=step, summary=summary.scalar(tag, value)))
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self.flush()

    def picture(self, step: int, tag: str, pixels: np.ndarray) -> None:
        """Adds a picture, uint8 (h, w, 3)."""
        self._write(Event(step=step, summary=summary.image(tag, pixels, dataformats="HWC")))

    def flush(self) -> None:
        """Writes buffered events to disk."""
        with explained(self._path):
            self._writer.flush()
        self._flushed = time.monotonic()

    def close(self) -> None:
        """Ends the file."""
        with explained(self._path):
            self._writer.close()

    def _write(self, event):
        event.wall_time = time.time()
        with explained(self._path):
            self._writer.write_event(event)
