"""A sign of life while MindSpore compiles a graph: on a terminal a line that ticks, elsewhere one line of the log."""

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
_under_way = []  # what is compiled now, by the word of the outermost that says so
_took = []  # seconds of each compilation of this process


@contextmanager
def compiling(what):
    """To be entered around a call that compiles first. What compiles inside of another such call is not told again.

    Args:
        what: is compiled, with its shape.
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
        what: is called.
        graphs: whether this process computes in graphs, and shall say so.
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
    """A line beside the bar that counts seconds.

    Args:
        what, rule: see `tick`.
        stream: of the terminal.
    """

    def __init__(self, what, rule, stream):
        self._what, self._rule = what, rule  # before the first line, which tqdm writes at once
        super().__init__(file=stream, leave=False, dynamic_ncols=True)

    def __str__(self):
        facts = self.format_dict
        return tick(self._what, self._rule, facts["elapsed"], (facts["ncols"] or 80) - 1)


@contextmanager
def _ticking(what, rule):
    """A line on stderr that counts seconds until the block is left, and then goes."""
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
    """The line: whole fields, as many as fit.

    Args:
        what: is compiled.
        rule: how long that takes as a rule.
        seconds: that it took so far.
        columns: that the line may have.
    """
    gone = f"{seconds:.0f} s"
    if len(f"compiling {what}: {gone}") > columns:
        what = what.partition(" for ")[0]  # without the shape
    return fitted({"done": f"compiling {what}:", "left": gone, "rule": rule}, columns)
