"""What runs in a process of its own: opens one file at a time, reads and resizes its frames, and is expendable.

Decoders can hang on a damaged file with Python's interpreter lock held, and can crash. Then this process is lost and nothing
else. It never outlives the one that started it, nor the time it is given, by means that work while the lock is held.
"""

from __future__ import annotations

import fcntl
import os
import signal
from importlib import import_module
from multiprocessing.connection import Connection

from ..base import UnreadableVideo
from ..file_stamp import stamp_of
from .messages import Ended, receive, send


def main(opener: str, handle: int, lifeline: int) -> None:
    """Serve until the other side is gone.

    Args:
        opener: "module:function" with `open_video`'s arguments.
        handle: file descriptor of this side of the connection to the starting process.
        lifeline: read end of a pipe of which the starting process alone holds the other end.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    _die_with(lifeline)
    connection = Connection(handle)
    module, _, function = opener.partition(":")
    server = _Server(getattr(import_module(module), function))
    try:
        send(connection, {"ready": True})
        while True:
            request, _ = receive(connection)
            # The kernel ends the process when the time is over, whoever holds the interpreter lock.
            signal.setitimer(signal.ITIMER_REAL, request.pop("seconds"))
            header, array = server.answer(**request)
            signal.setitimer(signal.ITIMER_REAL, 0)
            send(connection, header, array)
    except Ended:
        pass
    os._exit(0)  # no teardown: decoders have been seen to hang in theirs


def _die_with(lifeline):
    """Have the kernel end this process (SIGIO's default) once nobody holds the other end of a pipe."""
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


class _Server:
    """One open file."""

    def __init__(self, open_file):
        self._open_file = open_file
        self._reader = None

    def answer(self, do, **arguments):
        """The header and the array of the reply to one request."""
        try:
            return getattr(self, do)(**arguments)
        except UnreadableVideo as error:
            return {"unreadable": error.reason}, None
        except Exception as error:  # a decoder's own, or no memory for what a damaged header claims
            return {"unreadable": f"reading it failed: {type(error).__name__}: {error}"}, None

    def open(self, path, reader, tone_map):
        self.close()
        self._reader = opened = self._open_file(path, reader, tone_map=tone_map)
        told = {name: getattr(opened, name) for name in ("fps", "fps_is_guess", "size", "codec", "transfer", "name")}
        return {"frames": len(opened), **told}, None

    def read(self, indices):
        return {}, self._reader.read(indices)

    def read_resized(self, indices, size, box):
        return {}, self._reader.read_resized(indices, tuple(size), tuple(box))

    def stretch(self, first, last):
        return {"stretch": self._reader.stretch(first, last)}, None

    def stamp(self, path):
        return {"stamp": stamp_of(path)}, None

    def close(self):
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()
        return {}, None
