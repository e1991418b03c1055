"""The progress bar, and how it lives beside the log."""

import contextlib
import io
import logging
import sys
import time

from tqdm import tqdm

_FORMAT = "{desc} {percentage:3.0f}% |{bar:20}| {n_fmt}/{total_fmt} {unit}, {elapsed} gone, {remaining} left{postfix}"


class _Bar(tqdm):
    """tqdm with the rate of the usual units only: before the first of them it is 0, which shows as "?" left."""

    usual_units, usual_seconds = 0, 0.0

    @property
    def format_dict(self):
        """What the bar's text is made of."""
        return {**super().format_dict, "rate": self.usual_units / self.usual_seconds if self.usual_seconds else 0}


class Progress:
    """A bar on stderr with the figures of the last step; where stderr is no terminal, a line at every tenth of the way.

    Args:
        title: what is going on.
        total: units in all, None where it is not known.
        unit: what is counted, in the plural.
        done: units done before.
    """

    def __init__(self, title, total, unit="steps", done=0):
        self.lines = not getattr(sys.stderr, "isatty", lambda: False)()
        self.bar = _Bar(
            desc=title,
            total=total,
            initial=done,
            unit=unit,
            file=io.StringIO() if self.lines else sys.stderr,
            bar_format=_FORMAT if total is not None else None,
            dynamic_ncols=not self.lines,
            mininterval=0.2,
        )
        self.tenth = self._tenth()
        self._last = time.monotonic()

    def advance(self, figures=None, count=1, usual=True):
        """Moves on.

        Args:
            figures: name to text, shown behind the bar.
            count: units done.
            usual: whether they took as long as those to come may; otherwise, as where a step compiled first, the time left is reckoned without them.
        """
        now = time.monotonic()
        if usual:
            self.bar.usual_units += count
            self.bar.usual_seconds += now - self._last
        self._last = now
        if figures:
            self.bar.set_postfix(figures, refresh=False)
        self.bar.update(count)
        if self.lines and self._tenth() > self.tenth:
            self.tenth = self._tenth()
            sys.stderr.write(f"{self._line()}\n")
            sys.stderr.flush()

    @contextlib.contextmanager
    def attempt(self):
        """What is advanced in its block is taken back where that ends in an error, since it will be done again or not at all."""
        before = self.bar.n
        try:
            yield
        except BaseException:
            self.bar.n = self.bar.last_print_n = before
            raise

    def _tenth(self):
        return int(10 * self.bar.n / self.bar.total) if self.bar.total else 0

    def _line(self):
        facts = self.bar.format_dict
        left = tqdm.format_interval((facts["total"] - facts["n"]) / facts["rate"]) if facts["rate"] else "?"
        times = f"{tqdm.format_interval(facts['elapsed'])} gone, {left} left"
        figures = f", {facts['postfix']}" if facts["postfix"] else ""
        return f"{facts['prefix']} {facts['n']}/{facts['total']} {facts['unit']}, {times}{figures}"

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.bar.close()


class NoProgress:
    """Stands for the bar where none is wanted."""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def advance(self, figures=None, count=1, usual=True):
        """Shows nothing."""


class BarFriendlyHandler(logging.StreamHandler):
    """Writes a log line above the bar instead of through it."""

    def emit(self, record):
        try:
            tqdm.write(self.format(record), file=self.stream)
        except Exception:
            self.handleError(record)
