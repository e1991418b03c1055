"""Runs the command in processes forked from one that has imported MindSpore, which takes a fresh one seconds.

A process of its own can be killed, sent signals and limited; that it is a fresh one is claimed by tests of
tests/cli/commands/test_processes.py. Executed, this file is the process that is forked, and computes nothing itself.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

# What the commands would import one by one.
HEAVY = (
    "mindspore",
    "mindone.utils",
    "mindone_tae.cli",
    "mindone_tae.data",
    "mindone_tae.losses",
    "mindone_tae.metrics",
    "mindone_tae.models",
    "mindone_tae.weights",
)


class ForkedCommand:
    """A running command, with what tests use of subprocess.Popen.

    Args:
        pid: its process's.
        files: path to which ".out", ".err" and, once it has ended, ".status" are added.
    """

    def __init__(self, pid, files):
        self.pid, self._files = pid, files

    @property
    def returncode(self):
        """Exit status, negative where a signal ended it; None while it runs."""
        status = Path(f"{self._files}.status")
        return int(status.read_text()) if status.exists() else None

    def poll(self):
        """As `returncode`."""
        return self.returncode

    def send_signal(self, number):
        """Sends a signal, if it still runs."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def communicate(self, timeout=180):
        """Waits for its end; what it printed on stdout and on stderr."""
        until = time.monotonic() + timeout
        while self.returncode is None:
            if time.monotonic() > until:
                os.kill(self.pid, signal.SIGKILL)
                raise TimeoutError(f"process {self.pid} still runs after {timeout} s: {self._said()}")
            time.sleep(0.01)
        return self._said()

    def _said(self):
        return tuple(Path(f"{self._files}.{end}").read_text(errors="replace") for end in ("out", "err"))


class ForkedCommands:
    """Starts commands in forks of one process.

    Args:
        folder: an empty one, for what they print.
    """

    def __init__(self, folder):
        self._folder, self._started = folder, 0
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._parent = subprocess.Popen(
            [sys.executable, __file__], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, words, cwd, path=(), before=""):
        """Starts a command.

        Args:
            words: after `mindone-tae`.
            cwd: its working directory.
            path: folders of packages, put first on its path.
            before: Python that it executes first.

        Returns:
            ForkedCommand.
        """
        self._started += 1
        files = self._folder / str(self._started)
        order = {"words": words, "cwd": cwd, "path": path, "before": before, "files": files}
        order["environment"] = dict(os.environ)
        self._parent.stdin.write(json.dumps(order, default=str) + "\n")
        self._parent.stdin.flush()
        return ForkedCommand(int(self._parent.stdout.readline()), files)

    def close(self):
        """Ends the process that is forked."""
        self._parent.stdin.close()
        self._parent.wait(30)
        self._parent.stdout.close()


def fork(order):
    """Starts a command and a process that waits for it and writes its status down; the command's process number."""
    receive, send = os.pipe()
    if os.fork() == 0:
        try:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(receive)
            if (pid := os.fork()) == 0:
                os.close(send)
                work(order)
            os.write(send, b"%d" % pid)
            os.close(send)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            unfinished = Path(f"{order['files']}.unfinished")
            unfinished.write_text(str(status))
            unfinished.rename(f"{order['files']}.status")
        finally:
            os._exit(0)
    os.close(send)
    pid = int(os.read(receive, 32))
    os.close(receive)
    return pid


def work(order):
    """Is the command; does not return."""
    try:
        os.chdir(order["cwd"])
        os.environ.clear()
        os.environ.update(order["environment"])
        sys.path[:0] = order["path"]
        descriptors = [os.open(os.devnull, os.O_RDONLY)]
        descriptors += [os.open(f"{order['files']}.{end}", os.O_WRONLY | os.O_CREAT, 0o600) for end in ("out", "err")]
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)
        exec(order["before"], {})
        from mindone_tae.cli import main

        main(order["words"])
    except BaseException:
        traceback.print_exc()  # which leaving at once would swallow
        sys.stderr.flush()
    finally:
        os._exit(1)


def serve():
    """Forks for each line of stdin, until its end."""
    for module in HEAVY:
        importlib.import_module(module)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that write the status down
    for line in sys.stdin:
        print(fork(json.loads(line)), flush=True)


if __name__ == "__main__":
    serve()
