"""The figures of a run, read from its metrics.jsonl."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..printable import printable

# Figures of a training step that are not losses: key to title of the panel.
STEP_FIGURES = {
    "learning_rate": "learning rate",
    "gradient_norm": "gradient norm",
    "loss_scale": "loss scale",
    "seconds": "seconds a step",
    "data_seconds": "waiting for data",
}
# Keys of a line of metrics.jsonl that are not drawn.
NOT_DRAWN = ("step", "shape", "refused")

# A line has some hundred characters; a file damaged by a power cut may have no line ends at all.
_LONGEST_LINE = 2**20
_LARGEST_STEP = 2**53
# Of float32, the type of losses and gradients; a larger number is damage.
_LARGEST_FIGURE = 3.5e38
_LONGEST_NAME = 60
_MOST_NAMES = 60


@dataclass
class Curves:
    """One run's curves; each is (steps, values), float arrays, NaN where a value was not finite.

    Attributes:
        name: the run's folder, as it was given.
        losses: the total, "loss", and each term, by name.
        figures: by the keys of STEP_FIGURES.
        metrics: of evaluations, by metric.
        baselines: metric to (baseline's name, value).
        refused: steps that were refused as not finite.
    """

    name: str
    losses: dict = field(default_factory=dict)
    figures: dict = field(default_factory=dict)
    metrics: dict = field(default_factory=dict)
    baselines: dict = field(default_factory=dict)
    refused: list = field(default_factory=list)


def read_curves(path: str | Path) -> Curves:
    """The curves of a run.

    Args:
        path: the run's folder, or its metrics.jsonl.

    Raises:
        UserError: there is no metrics.jsonl, or nothing in it.
    """
    path = Path(path)
    file = path / "metrics.jsonl" if path.is_dir() else path
    try:
        entries = [entry for _, entry in metrics_entries(file)]
    except OSError as error:
        raise UserError(
            f"{file} cannot be read ({error.strerror}); a run's figures are there: "
            "give the folder that was train's --output_path"
        ) from None
    if not entries:
        raise UserError(f"{file} holds no figures; a line comes with every step: wait for the first")
    curves = Curves(str(file.parent))
    points = {}
    for entry in entries:
        if "eval" in entry:
            _add_all(points, "metrics", entry["step"], entry["eval"])
            for metric, value in (entry.get("baseline") or {}).items():
                label = printable(entry.get("baseline_name") or "baseline", _LONGEST_NAME)
                curves.baselines[printable(metric, _LONGEST_NAME)] = (label, _number(value))
            continue
        if entry.get("refused"):
            curves.refused.append(entry["step"])
        losses = {name: value for name, value in entry.items() if name not in NOT_DRAWN}
        figures = {name: losses.pop(name) for name in STEP_FIGURES if name in losses}
        _add_all(points, "figures", entry["step"], figures)
        _add_all(points, "losses", entry["step"], losses)
    for (kind, name), pairs in points.items():
        steps, values = zip(*pairs)
        getattr(curves, kind)[name] = np.asarray(steps, float), np.asarray(values, float)
    return curves


def metrics_entries(file: Path) -> Iterator[tuple[str, dict]]:
    """Yields (text, content) of the complete lines of a metrics.jsonl.

    Lines cut off or damaged, as by a killed run or a power cut, are left out.

    Args:
        file: path of the file.
    """
    with open(file, encoding="utf-8", errors="replace") as lines:
        while line := lines.readline(_LONGEST_LINE):
            entry = _entry(line)
            if entry:
                yield line.rstrip("\n"), entry


def _entry(line):
    """A line's dict; None where it is not one that a run writes."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or type(entry.get("step")) is not int or not 0 <= entry["step"] < _LARGEST_STEP:
        return None
    of_figures = all(_are_figures(entry[name]) for name in ("eval", "baseline") if entry.get(name) is not None)
    named = isinstance(entry.get("baseline_name"), (str, type(None)))
    return entry if of_figures and named and entry.get("eval", {}) is not None else None


def _are_figures(value):
    if not isinstance(value, dict):
        return False
    figures = [figure for figure in value.values() if figure is not None]
    return all(type(figure) is float or (type(figure) is int and abs(figure) < _LARGEST_STEP) for figure in figures)


def _add_all(points, kind, step, figures):
    for name, value in figures.items():
        key = kind, printable(name, _LONGEST_NAME)
        if (value is None or type(value) in (int, float)) and (key in points or len(points) < _MOST_NAMES):
            points.setdefault(key, []).append((step, _number(value)))


def _number(value):
    return float(value) if value is not None and abs(value) < _LARGEST_FIGURE else np.nan  # a NaN is not below either
