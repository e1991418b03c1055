"""Processes that read for this one: kept for the next file, killed and replaced when they hang or crash."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from multiprocessing import Pipe

import numpy as np

from .messages import Ended, Late, receive, send

# Starting takes a third of a second where nothing else runs.
_START_SECONDS = 120.0
# Seconds to wait beyond the limit at which the process ends itself.
_GRACE_SECONDS = 5.0
# decord leaks some memory with every file; a new process now and then frees it.
_FILES_A_PROCESS = 1000
# Signals of a crash in a decoder. Others come from outside: SIGKILL where memory runs out, SIGTERM by hand.
_OF_A_DECODER = (
    signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSYS, signal.SIGTRAP,
)  # fmt: skip

# With this process's sys.path, so that the package is found however it was installed; the main module is not imported.
_CODE = (
    "import json, sys; path, opener, *handles = json.loads(sys.argv[1]); sys.path[:] = path;"
    "from mindone_tae.data.readers.isolated.reader_process import main; main(opener, *handles)"
)


class Hung(Exception):
    """The process took longer than it may; it is gone."""


class Crashed(Exception):
    """The process ended by itself; the text says how."""


class NoProcess(Exception):
    """No process could be started, or it was killed from outside: no fault of the file; the text says how."""


class ReaderProcess:
    """One process.

    Args:
        opener: "module:function" with `open_video`'s arguments.

    Attributes:
        files: opened so far.

    Raises:
        NoProcess: none can be started, or it was killed from outside.
    """

    def __init__(self, opener: str):
        self.files = 0
        try:
            self._start(opener)
        except OSError as error:  # no memory, no more processes or files for this user
            raise NoProcess(f"none can be started: {error.strerror or error}") from error
        try:
            self._receive(_START_SECONDS)
        except (Hung, Crashed) as error:
            remedy = 'see what python -c "import mindone_tae.data.readers.isolated.reader_process" says'
            raise RuntimeError(
                f"a process to read files in did not start ({error or 'no answer'}): {remedy}"
            ) from error

    def _start(self, opener):
        self._connection, theirs = Pipe()
        lifeline, self._lifeline = os.pipe()
        handles = (theirs.fileno(), lifeline)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _CODE, json.dumps([sys.path, opener, *handles])],
                pass_fds=handles,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except BaseException:
            self.let_go()
            raise
        finally:
            theirs.close()
            os.close(lifeline)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def ask(self, do: str, seconds: float, **arguments) -> tuple[dict, np.ndarray | None]:
        """Send one request and wait for the reply; see `reader_process`.

        Args:
            do: "open", "read", "read_resized", "stretch", "stamp" or "close".
            seconds: time limit.

        Raises:
            Hung: it took longer.
            Crashed: the process ended by itself.
            NoProcess: it was ended or stopped from outside.
        """
        if self._connection.closed:
            raise Crashed("it was killed")
        self.files += do == "open"
        try:
            send(self._connection, {"do": do, "seconds": seconds, **arguments})
        except Ended:
            self._lost()
        return self._receive(seconds + _GRACE_SECONDS)

    def _receive(self, seconds):
        try:
            return receive(self._connection, seconds)
        except Late:
            stopped = self._is_stopped()
            self.kill()
            raise (NoProcess("stopped from outside") if stopped else Hung) from None
        except Ended:
            self._lost()
        except BaseException:  # Ctrl-C: the pending reply would be taken for the next one's
            self.kill()
            raise

    def _lost(self):
        """Raise the error that says how the process ended."""
        try:
            status = self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            status = None
        self.kill()
        if status == -signal.SIGALRM:
            raise Hung from None
        if status is None or status >= 0:
            raise Crashed(f"status {status}") from None
        name = signal.Signals(-status).name
        raise (Crashed(name) if -status in _OF_A_DECODER else NoProcess(f"killed from outside by {name}")) from None

    def _is_stopped(self):
        """Whether the process is stopped (SIGSTOP), so that its own alarm could not end it."""
        try:
            with open(f"/proc/{self.pid}/stat", "rb") as stat:
                return stat.read().rpartition(b")")[2].split()[0] in (b"T", b"t")
        except (OSError, IndexError):
            return False

    def kill(self) -> None:
        """End it now."""
        self._process.kill()
        try:
            self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            pass  # stuck in the kernel, on a dead network disk; it ends when that lets go
        self.let_go()

    def let_go(self) -> None:
        """Close this side of its connections."""
        if not self._connection.closed:
            self._connection.close()
            os.close(self._lifeline)


class ReaderPool:
    """Hands out processes to threads; a process serves one open file at a time.

    Args:
        opener: "module:function" with `open_video`'s arguments.
    """

    def __init__(self, opener: str = "mindone_tae.data.readers.opening:open_video"):
        self._opener = opener
        self._most_idle = max(4, len(os.sched_getaffinity(0)))
        self._idle: list[ReaderProcess] = []
        self._lock = threading.Lock()
        # A fork would share the pipes with its parent.
        os.register_at_fork(after_in_child=self._forget)
        atexit.register(self.close)

    def _forget(self):
        for process in self._idle:
            process.let_go()
        self._idle, self._lock = [], threading.Lock()

    def take(self) -> ReaderProcess:
        """A process for the caller alone, until `give_back`.

        Raises:
            NoProcess: none can be started.
        """
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return ReaderProcess(self._opener)

    def give_back(self, process: ReaderProcess) -> None:
        """Take back a process that has no file open."""
        with self._lock:
            if len(self._idle) < self._most_idle and process.files < _FILES_A_PROCESS:
                self._idle.append(process)
                return
        process.kill()

    def close(self) -> None:
        """End the idle processes."""
        with self._lock:
            idle, self._idle = self._idle, []
        for process in idle:
            process.kill()
