"""The main function of a reader process: opens one file at a time, reads and resizes its frames.

Decoders can hang on a damaged file while holding Python's interpreter lock, and can crash: then only this process is
lost. The kernel ends it at its time limit and with the process that started it, even while the lock is held.
"""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import signal
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection

from ..base import UnreadableVideo
from ..file_stamp import stamp_of
from .messages import Ended, receive, send

# Share of the memory limit above which an error is taken for one of memory.
_NEARLY_ALL = 0.9


def main(opener: str, handle: int, lifeline: int) -> None:
    """Serve requests until the other side is gone.

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


class _MemoryBound:
    """A limit on this process's own memory, enforced by the kernel."""

    def __init__(self):
        self._bytes = None

    def set(self, megabytes):
        """Sets the limit in megabytes; None removes it."""
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        self._bytes = None if megabytes is None else int(megabytes * 2**20)
        soft = hard if self._bytes is None else self._bytes
        resource.setrlimit(resource.RLIMIT_DATA, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
        with suppress(OSError), open("/proc/self/clear_refs", "w") as peak:
            peak.write("5")  # counts the peak anew

    def was_reached(self, error):
        """Whether the limit caused an exception: it says so, or, as decoders hide the cause, memory was nearly full."""
        if _says_no_memory(error):
            return True
        with suppress(OSError, IndexError, ValueError), open("/proc/self/status") as status:
            peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
            return self._bytes is not None and peak * 1024 > _NEARLY_ALL * self._bytes
        return False


def _says_no_memory(error):
    while error is not None:
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        if any(told in str(error) for told in ("Cannot allocate memory", "bad_alloc", "Unable to allocate")):
            return True
        error = error.__cause__ or error.__context__
    return False


class _Server:
    """One open file."""

    def __init__(self, open_file):
        self._open_file = open_file
        self._reader = None
        self._memory = _MemoryBound()

    def answer(self, do, memory_mb=None, **arguments):
        """The header and the array of the reply to one request."""
        try:
            if do == "open":
                self._memory.set(memory_mb)
            return getattr(self, do)(**arguments)
        except Exception as error:  # ours, a decoder's own, or no memory for what a damaged header claims
            if self._memory.was_reached(error):
                return {"lacked_memory": True}, None
            told = f"reading it failed: {type(error).__name__}: {error}"
            return {"unreadable": error.reason if isinstance(error, UnreadableVideo) else told}, None

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
