"""Progress while MindSpore compiles a graph: on a terminal a line that counts seconds, elsewhere one log line."""

import logging
import sys
import threading
import time
from contextlib import contextmanager, nullcontext

from tqdm import tqdm

from .progress import Tolerant, fitted

_logger = logging.getLogger(__name__)

_TICK_SECONDS = 0.5
_AS_A_RULE = "as a rule 5 s to 2 minutes"  # docs/measured.md
_under_way = []  # description of the outermost compilation in progress
_took = []  # seconds of each compilation in this process


@contextmanager
def compiling(what):
    """Shows progress around a call that compiles. Nested calls show nothing of their own.

    Args:
        what: description of what is compiled, with its shape.
    """
    if _under_way:
        yield
        return
    rule = f"the last took {_took[-1]:.0f} s" if _took else _AS_A_RULE
    started = time.monotonic()
    _under_way.append(what)
    try:
        if getattr(sys.stderr, "isatty", lambda: False)():
            with _ticking(what, rule):
                yield
        else:
            _logger.info("compiling %s; %s", what, rule)
            yield
    finally:
        _under_way.clear()
        _took.append(time.monotonic() - started)


class FirstCalls:
    """Which calls compile: the first of each shape, in graph mode.

    Args:
        what: description of what is called.
        graphs: whether this process runs in graph mode and shows progress.
    """

    def __init__(self, what, graphs):
        self._what, self._graphs, self._seen = what, graphs, set()

    def of(self, shape):
        """`compiling` around the first call of a shape; nothing around later ones."""
        if not self._graphs or shape in self._seen:
            return nullcontext()
        self._seen.add(shape)
        return compiling(f"{self._what} for {'x'.join(map(str, shape))}")


class _Tick(tqdm):
    """A line beside the progress bar that counts seconds.

    Args:
        what, rule: see `tick`.
        stream: the terminal's stream.
    """

    def __init__(self, what, rule, stream):
        self._what, self._rule = what, rule  # set first: tqdm's constructor already writes the line
        super().__init__(file=stream, leave=False, dynamic_ncols=True)

    def __str__(self):
        facts = self.format_dict
        return tick(self._what, self._rule, facts["elapsed"], (facts["ncols"] or 80) - 1)


@contextmanager
def _ticking(what, rule):
    """Shows a line on stderr that counts seconds, and clears it when the block ends."""
    left, line = threading.Event(), _Tick(what, rule, Tolerant(sys.stderr))

    def show():
        while not left.wait(_TICK_SECONDS):
            line.refresh()

    thread = threading.Thread(target=show, name="compiling", daemon=True)
    thread.start()
    try:
        yield
    finally:
        left.set()
        thread.join()
        line.close()


def tick(what, rule, seconds, columns):
    """The progress line: as many whole fields as fit.

    Args:
        what: description of what is compiled.
        rule: how long compiling usually takes.
        seconds: elapsed time.
        columns: width of the terminal.
    """
    gone = f"{seconds:.0f} s"
    if len(f"compiling {what}: {gone}") > columns:
        what = what.partition(" for ")[0]  # without the shape
    return fitted({"done": f"compiling {what}:", "left": gone, "rule": rule}, columns)
