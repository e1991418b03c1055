"""The progress bar, and a log handler that writes above it."""

import contextlib
import io
import logging
import sys
import time
from collections.abc import Iterator

from tqdm import tqdm

_BAR_CELLS = 20
# Fields of the bar that are kept longest on a narrow terminal, most important first; other figures come before "gone".
_KEPT_LONGEST = ("done", "count", "loss", "left", "psnr", "mean")


class _Bar(tqdm):
    """tqdm with a line of whole fields and the rate of usual units only; before the first of them "?" is left."""

    usual_units, usual_seconds, figures = 0, 0.0, {}

    @property
    def format_dict(self):
        """The values of the bar's text."""
        return {**super().format_dict, "rate": self.usual_units / self.usual_seconds if self.usual_seconds else 0}

    def __str__(self):
        facts = self.format_dict
        columns = facts["ncols"] or 10_000
        return fitted(fields(facts, self.figures), columns - 1)  # in the last column a terminal may wrap


def fields(facts: dict, figures: dict[str, str]) -> dict[str, str]:
    """The bar's fields, name to text, in order.

    Args:
        facts: tqdm's format_dict.
        figures: name to text.
    """
    n, total, title = facts["n"], facts["total"], facts["prefix"]
    shown = {"done": title, "bar": ""}
    if total:
        filled = int(_BAR_CELLS * n / total)
        shown = {"done": f"{title} {100 * n / total:3.0f}%", "bar": f"|{'#' * filled:{_BAR_CELLS}}|"}
    shown["count"] = f"{n}/{total} {facts['unit']}" if total else f"{n} {facts['unit']}"
    shown |= {"gone": f"{tqdm.format_interval(facts['elapsed'])} gone", "left": f"{_left(facts)} left"}
    shown |= {name: f"{name}={text}" for name, text in figures.items()}
    return {name: text for name, text in shown.items() if text}


def fitted(shown: dict[str, str], columns: int) -> str:
    """A line of as many whole fields as fit.

    Args:
        shown: name to text, in the line's order.
        columns: width of the line.
    """
    usual = [name for name in shown if name not in (*_KEPT_LONGEST, "gone", "bar")]
    kept = []
    for name in (*_KEPT_LONGEST, *usual, "gone", "bar"):
        if name in shown and len(_line(shown, [*kept, name])) <= columns:
            kept.append(name)
    return _line(shown, kept)


def _line(shown, kept):
    """The kept fields in their order: title and bar, then the others with commas."""
    front = " ".join(shown[name] for name in ("done", "bar") if name in kept)
    rest = ", ".join(text for name, text in shown.items() if name in kept and name not in ("done", "bar"))
    return f"{front} {rest}".strip()


def _left(facts):
    if not facts["total"] or not facts["rate"]:
        return "?"
    return tqdm.format_interval((facts["total"] - facts["n"]) / facts["rate"])


class Tolerant:
    """A stream that drops what cannot be written, so that a closed terminal or a full disk does not end the work.

    Args:
        stream: to write to, or None.
    """

    def __init__(self, stream):
        self._stream = stream

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def __eq__(self, other):  # tqdm compares streams to find the bars that share one with a log line
        return self._stream == getattr(other, "_stream", other)

    __hash__ = None

    def write(self, text):
        """Writes, or drops the text."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            self._stream.write(text)

    def flush(self):
        """Flushes, or drops what is not written."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            self._stream.flush()


class Progress:
    """A bar on stderr with the figures of the last step; without a terminal, a line for every tenth done.

    Args:
        title: name of the task.
        total: units in all, None where it is not known.
        unit: what is counted, in the plural.
        done: units done before.
        shown: False shows nothing.
    """

    def __init__(self, title: str, total: int | None, unit: str = "steps", done: int = 0, shown: bool = True):
        self.lines = shown and not getattr(sys.stderr, "isatty", lambda: False)()
        self._stream = Tolerant(sys.stderr)
        self.bar = _Bar(
            desc=title,
            total=total,
            initial=done,
            unit=unit,
            file=io.StringIO() if self.lines else self._stream,
            dynamic_ncols=not self.lines,
            mininterval=0.2,
            disable=not shown,
        )
        self.tenth = self._tenth()
        self._last = time.monotonic()

    def advance(self, figures: dict[str, str] | None = None, count: int = 1, usual: bool = True) -> None:
        """Advances the bar.

        Args:
            figures: name to text, shown after the bar.
            count: units done.
            usual: whether they took a usual time; False, as for a step that compiled, leaves them out of the estimate
                of the time left.
        """
        now = time.monotonic()
        if usual:
            self.bar.usual_units += count
            self.bar.usual_seconds += now - self._last
        self._last = now
        if figures:
            self.bar.figures = figures
        self.bar.update(count)
        if self.lines and self._tenth() > self.tenth:
            self.tenth = self._tenth()
            self._stream.write(f"{self._line()}\n")
            self._stream.flush()

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        """Resets the bar to where it was if its block ends in an error: the work will be repeated or abandoned."""
        before = self.bar.n
        try:
            yield
        except BaseException:
            self.bar.n = self.bar.last_print_n = before
            raise

    def _tenth(self):
        return int(10 * self.bar.n / self.bar.total) if self.bar.total else 0

    def _line(self):
        shown = fields(self.bar.format_dict, self.bar.figures)
        title = self.bar.format_dict["prefix"]
        return f"{title} {', '.join(text for name, text in shown.items() if name not in ('done', 'bar'))}"

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.bar.close()


class BarFriendlyHandler(logging.StreamHandler):
    """Writes a log line above the bar instead of through it."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            tqdm.write(self.format(record), file=Tolerant(self.stream))
        except Exception:
            self.handleError(record)
