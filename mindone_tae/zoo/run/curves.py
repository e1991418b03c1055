"""The figures of a run, read back from its metrics.jsonl."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import UserError

# Figures of a training step that are no loss: key and what the panel is called.
STEP_FIGURES = {"learning_rate": "learning rate", "gradient_norm": "gradient norm", "loss_scale": "loss scale", "seconds": "seconds a step", "data_seconds": "waiting for data"}
# What a line of metrics.jsonl says beside numbers that can be drawn.
NOT_DRAWN = ("step", "shape", "refused")


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


def read_curves(path):
    """The curves of a run.

    Args:
        path: the run's folder, or its metrics.jsonl.

    Raises:
        UserError: there is no metrics.jsonl, or nothing in it.
    """
    path = Path(path)
    file = path / "metrics.jsonl" if path.is_dir() else path
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}); a run's figures are there: give the folder that was train's --output_path") from None
    entries = [entry for entry in map(_entry, lines) if entry]
    if not entries:
        raise UserError(f"{file} holds no figures; a line comes with every step: wait for the first")
    curves = Curves(str(file.parent))
    points = {}
    for entry in entries:
        if "eval" in entry:
            _add_all(points, "metrics", entry["step"], entry["eval"])
            for metric, value in (entry.get("baseline") or {}).items():
                curves.baselines[metric] = (entry.get("baseline_name") or "baseline", _number(value))
            continue
        if entry.get("refused"):
            curves.refused.append(entry["step"])
        figures = {name: value for name, value in entry.items() if name not in NOT_DRAWN}
        _add_all(points, "figures", entry["step"], {name: value for name, value in figures.items() if name in STEP_FIGURES})
        _add_all(points, "losses", entry["step"], {name: value for name, value in figures.items() if name not in STEP_FIGURES})
    for (kind, name), pairs in points.items():
        steps, values = zip(*pairs)
        getattr(curves, kind)[name] = np.asarray(steps, float), np.asarray(values, float)
    return curves


def _entry(line):
    """A line's dict; None for one that is torn, as a running or killed run leaves it."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and isinstance(entry.get("step"), int) else None


def _add_all(points, kind, step, figures):
    for name, value in figures.items():
        if value is None or isinstance(value, (int, float)):
            points.setdefault((kind, name), []).append((step, _number(value)))


def _number(value):
    return np.nan if value is None else float(value)
