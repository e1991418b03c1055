"""Commands run in forks of one process that has imported everything, and what is seen of them from outside."""

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mindone_tae.cli import main as command

# What would act on a terminal or forge a line of a log.
_ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_NEW_USER, _NEW_MOUNTS = 0x10000000, 0x00020000
TINY = ["--ckpt_path", "w.safetensors", "--image_size", "16"]


@dataclass(frozen=True)
class Attack:
    """One attack.

    Attributes:
        name: for --only.
        what: is tried, for the table.
        run: called with an empty folder to work in; gives a Result for each case.
        slow: whether it takes minutes.
    """

    name: str
    what: str
    run: Callable
    slow: bool = False


@dataclass(frozen=True)
class Result:
    """One case: whether it was survived, and what was seen."""

    case: str
    survived: bool
    seen: str = ""


@dataclass(frozen=True)
class Said:
    """What a command did: exit status (negative: the signal that ended it), what it printed, and how long it took."""

    status: int
    out: str
    err: str
    seconds: float

    @property
    def errors(self):
        """Lines that say what is wrong."""
        return [line for line in self.err.splitlines() if line.startswith("error: ")]

    @property
    def is_clean(self):
        """No traceback, and nothing that acts on a terminal but a progress bar's carriage returns."""
        text = (self.out + self.err).replace("\r", "")
        return "Traceback" not in text and not _ACTING.search(text) and "\n  File " not in text

    def __str__(self):
        return f"status {self.status}, {self.seconds:.0f} s: {' / '.join(self.err.strip().splitlines()[-2:])[-300:]}"


def run(words, folder, seconds=120.0, before=None, during=None):
    """Runs a command in a fork of this process.

    Args:
        words: behind `mindone-tae`.
        folder: to run it in.
        seconds: after which it counts as hanging, and is killed.
        before: called in the new process first.
        during: called with its process id once it runs.

    Returns:
        Said.
    """
    files = [Path(folder) / name for name in (".out", ".err")]
    sys.stdout.flush()
    begun, pid = time.monotonic(), os.fork()
    if pid == 0:
        try:
            os.setpgid(0, 0)
            os.chdir(folder)
            signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background job ignores
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            for descriptor, file in enumerate(files, 1):
                os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
            if before:
                before()
            command([str(word) for word in words])
        except BaseException:
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(1)
    status = None
    try:
        if during:
            during(pid)
        while status is None and time.monotonic() < begun + seconds:
            found, code = os.waitpid(pid, os.WNOHANG)
            status = os.waitstatus_to_exitcode(code) if found else None
            time.sleep(0.01)
    finally:
        if status is None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    out, err = (file.read_text(errors="surrogateescape") for file in files)
    if status is None:
        err += f"\nhung for {seconds:g} s"
    return Said(1 if status is None else status, out, err, time.monotonic() - begun)


def refused(case, said):
    """The Result of what must be refused: status 2, in one line or one for each mistake, and cleanly."""
    return Result(case, said.status == 2 and bool(said.errors) and said.is_clean, str(said))


def done(case, said, also=True):
    """The Result of what must succeed."""
    return Result(case, said.status == 0 and said.is_clean and bool(also), str(said))


def mounts(*words):
    """A function for `before`: the process gets a mount of its own, where the system allows it."""

    def mount():
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_NEW_MOUNTS) and libc.unshare(_NEW_USER | _NEW_MOUNTS):
            raise OSError(ctypes.get_errno(), "this system allows no mounts of one's own")
        subprocess.run(["mount", "--make-rprivate", "/"], check=False, capture_output=True)
        subprocess.run(["mount", *map(str, words)], check=True, capture_output=True)

    return mount


def weights(folder):
    """w.safetensors of a very small model, in a folder."""
    from fuzzing.seeds import safetensors_weights

    safetensors_weights(Path(folder))


def clips(folder, names=("a.mp4", "b.mp4", "deep/c.mp4"), frames=5):
    """Small videos below folder/videos."""
    import numpy as np

    from mindone_tae.data import write_video

    rng = np.random.default_rng(0)
    for name in names:
        write_video(Path(folder) / "videos" / name, rng.integers(0, 255, (frames, 16, 24, 3), np.uint8), fps=10)


def files_of(folder):
    """Path below a folder to content, of every file but logs and what differs by its nature from run to run."""
    paths = [path for path in Path(folder).rglob("*") if path.is_file()]
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in paths
        if path.suffix not in (".log", ".lock", ".out", ".err")
        and path.name not in (".lock", ".index.lock", "report.json")
    }
