"""Printing to the terminal, with the output of MindSpore and its libraries redirected to a file."""

import logging
import os
import re
import sys
import tempfile
from contextlib import ExitStack, redirect_stderr, redirect_stdout, suppress
from pathlib import Path

from mindone_tae.zoo.atomic_file import explained
from mindone_tae.zoo.compiling import compiling
from mindone_tae.zoo.device.msrun import first_by_environment
from mindone_tae.zoo.printable import PrintableFormatter, printable
from mindone_tae.zoo.progress import BarFriendlyHandler

# What a line begins with, or says of an evaluation, and its colour (SGR).
_COLOURS = {"error:": 31, "warning:": 33}
_OF_EVALUATIONS = "mindone_tae.zoo.run.log"
_BEST = re.compile("(?<=  )best(?=  |$)")


class _Format(PrintableFormatter):
    def __init__(self, stream):
        super().__init__()
        self._stream = stream

    def format(self, record):
        text = super().format(record)
        if record.name == _OF_EVALUATIONS and has_colour(self._stream):
            text = _BEST.sub("\x1b[32mbest\x1b[0m", text)
        return (
            text if record.levelno < logging.WARNING else coloured(f"{record.levelname.lower()}: {text}", self._stream)
        )


def has_colour(stream):
    """Whether a stream is a terminal that shows colours, and nobody set NO_COLOR (no-color.org)."""
    is_terminal = getattr(stream, "isatty", lambda: False)()
    return bool(is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb")


def coloured(line, stream):
    """A line whose first word has its colour, where the stream shows colours."""
    word, space, rest = line.partition(" ")
    return f"\x1b[{_COLOURS[word]}m{word}\x1b[0m{space}{rest}" if word in _COLOURS and has_colour(stream) else line


class Console:
    """Prints, and redirects the output of libraries.

    `quiet(folder)` redirects file descriptors 1 and 2, on which compiled code prints, to folder/mindspore.log, and
    reconnects Python's own stdout and stderr to the terminal.
    """

    def __init__(self):
        _open_closed_descriptors()
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")  # for terminals without UTF-8
        self.out, self.err = sys.stdout or open(os.devnull, "w"), sys.stderr or open(os.devnull, "w")
        self.noise = None
        self._undo = ExitStack()

    def print(self, *lines):
        """Prints lines on stdout, an empty one without any; a closed stdout (| head) is ignored."""
        with suppress(OSError, ValueError):
            print("\n".join(map(printable, lines)), file=self.out, flush=True)

    def error(self, *lines):
        """Prints lines on stderr; a closed stderr is ignored."""
        with suppress(OSError, ValueError):
            print("\n".join(coloured(printable(line), self.err) for line in lines), file=self.err, flush=True)

    def quiet(self, folder=None):
        """Redirects the output of libraries to folder/mindspore.log, and our log to the terminal.

        Args:
            folder: the run's folder, created if missing; None, and all ranks but rank 0, take a temporary one.
        """
        if self.noise is not None:
            return
        folder = Path(folder if folder and first_by_environment() else tempfile.mkdtemp(prefix="mindone_tae-"))
        noise = folder / "mindspore.log"
        with explained(noise):
            folder.mkdir(parents=True, exist_ok=True)
            noise.touch()
        self.noise = noise
        self._move_descriptors()
        self._set_up_logging()
        if "MS_DEV_SAVE_GRAPHS_PATH" not in os.environ:  # dumps of graphs that failed to compile
            os.environ["MS_DEV_SAVE_GRAPHS_PATH"] = str(folder / "graphs")
            self._undo.callback(os.environ.pop, "MS_DEV_SAVE_GRAPHS_PATH", None)
        # MindSpore's logger keeps the stderr of its first message; the file stays open as long as the process.
        noise = open(self.noise, "a", encoding="utf-8", buffering=1)
        with redirect_stdout(noise), redirect_stderr(noise):
            from mindspore import log

            log.warning("log of MindSpore and its libraries")
            from mindone_tae.models import first_calls
        self._undo.callback(setattr, first_calls, "show", first_calls.show)
        first_calls.show = compiling

    def _move_descriptors(self):
        are_pythons = self.out is sys.__stdout__ and self.err is sys.__stderr__
        noise = os.open(self.noise, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for descriptor, name in ((1, "stdout"), (2, "stderr")):
            saved = os.dup(descriptor)
            os.dup2(noise, descriptor)
            self._undo.callback(os.close, saved)
            self._undo.callback(os.dup2, saved, descriptor)
            if are_pythons:
                self._undo.callback(setattr, sys, name, getattr(sys, name))
                setattr(sys, name, os.fdopen(os.dup(saved), "w", buffering=1, errors="backslashreplace"))
        os.close(noise)
        if are_pythons:
            self.out, self.err = sys.stdout, sys.stderr

    def _set_up_logging(self):
        root, ours = logging.getLogger(), logging.getLogger("mindone_tae")
        to_file = logging.FileHandler(self.noise, encoding="utf-8")
        to_file.setFormatter(PrintableFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        root.addHandler(to_file)
        to_terminal = BarFriendlyHandler(self.err)
        to_terminal.setFormatter(_Format(self.err))
        ours.addHandler(to_terminal)
        ours.setLevel(logging.INFO)
        logging.captureWarnings(True)
        logging.raiseExceptions = False  # a log on a full disk must not print a traceback into the progress bar
        self._undo.callback(root.removeHandler, to_file)
        self._undo.callback(ours.removeHandler, to_terminal)
        self._undo.callback(logging.captureWarnings, False)
        self._undo.callback(setattr, logging, "raiseExceptions", True)

    def close(self):
        """Undoes all redirections."""
        for stream in (self.out, self.err):
            with suppress(OSError, ValueError):
                stream.flush()
        self._undo.close()


def _open_closed_descriptors():
    """Opens descriptors 1 and 2 where they are closed (>&-), so that no file opened later takes their numbers."""
    for descriptor in (1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
