"""Curves of one or several runs in one picture."""

import math
import os
import warnings

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ..atomic_file import replacing
from ..printable import printable
from .curves import STEP_FIGURES, Curves

_INK, _FAINT, _GRID = "#222222", "#777777", "#e4e4e4"
_COLOURS = ("#2166ac", "#d6604d", "#1b7837", "#8073ac", "#b8860b", "#01665e", "#c51b7d", "#4d4d4d")
_LONGEST_TEXT = 120
_METRIC_TITLES = {"psnr": "PSNR, dB", "ssim": "SSIM", "lpips": "LPIPS"}


def draw_curves(path: str | os.PathLike, runs: list[Curves]) -> None:
    """Draws a panel for each loss term, metric, the learning rate and the seconds a step; a colour for each run.

    Args:
        path: the PNG to write.
        runs: list of Curves.

    Raises:
        UserError: the file cannot be written.
    """
    coloured = [(run, _COLOURS[number % len(_COLOURS)]) for number, run in enumerate(runs)]
    panels = _panels(runs)
    columns = min((3, 4, 2), key=lambda count: -len(panels) % count)  # the fewest empty places
    rows = math.ceil(len(panels) / columns)
    drawn = [curve for run in runs for curves in (run.losses, run.metrics, run.figures) for curve in curves.values()]
    last = max([1.0, *(steps.max() for steps, _ in drawn)])
    with warnings.catch_warnings(), rc_context({"font.size": 10, "axes.titlesize": 11, "text.color": _INK}):
        warnings.simplefilter("ignore")  # characters that the font lacks, curves of NaN only
        figure = Figure(figsize=(4.6 * columns, 3.1 * rows + 0.7), dpi=110, layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        for number, (draw, name) in enumerate(panels, 1):
            axes = _axes(figure, rows, columns, number)
            draw(axes, coloured, name)
            axes.set_xlim(0, 1.02 * last)
        _name_runs(figure, coloured)
        with replacing(path) as temporary:
            figure.savefig(temporary, format="png")


def _panels(runs):
    """A function (axes, coloured, name), and the name, for each panel: the losses, the metrics, then the rest."""
    names = {
        kind: list(dict.fromkeys(name for run in runs for name in getattr(run, kind)))
        for kind in ("losses", "metrics", "figures")
    }
    figures = {"learning_rate": _draw_learning_rate, "seconds": _draw_seconds}
    return [
        *((_draw_loss, name) for name in names["losses"]),
        *((_draw_metric, name) for name in names["metrics"]),
        *((draw, name) for name, draw in figures.items() if name in names["figures"]),
    ]


def _axes(figure, rows, columns, number):
    axes = figure.add_subplot(rows, columns, number)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_FAINT)
    axes.tick_params(colors=_FAINT, labelsize=9)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel("step", fontsize=9, color=_FAINT, loc="right", labelpad=1)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    return axes


def _title(axes, text, remark=""):
    axes.set_title(_plain(text), loc="left", fontweight="bold", color=_INK)
    if remark:
        axes.set_title(remark, loc="right", fontsize=9, color=_FAINT)


def _plain(text):
    """A text with dollars escaped, between which matplotlib would read formulas."""
    return printable(text, _LONGEST_TEXT).replace("$", r"\$")


def _name_runs(figure, coloured):
    names = [_plain(run.name) for run, _ in coloured]
    if len(names) == 1:
        figure.suptitle(names[0], x=0.01, ha="left", fontsize=13, color=_INK)
        return
    handles = [Line2D([], [], color=colour, linewidth=3) for _, colour in coloured]
    figure.legend(handles, names, loc="outside upper left", ncols=min(len(names), 5), frameon=False, fontsize=11)


def _draw_loss(axes, coloured, name):
    """The logged values, faint, and their running mean."""
    lowest, highest = np.inf, -np.inf
    for run, colour in coloured:
        if name not in run.losses:
            continue
        steps, values = run.losses[name]
        middle, mean = _running(steps, values, np.mean)
        axes.plot(steps, values, color=colour, linewidth=0.7, alpha=0.25)
        axes.plot(middle, mean, color=colour, linewidth=1.8)
        lowest, highest = min([lowest, *mean]), max([highest, *mean])
        if name == "loss" and run.refused:
            bottom, place = np.full(len(run.refused), 0.02), axes.get_xaxis_transform()
            axes.plot(run.refused, bottom, "|", color="#b2182b", transform=place, markersize=9)
    logarithmic = bool(0 < 10 * lowest < highest)
    if logarithmic:
        axes.set_yscale("log")
    refused = sum(len(run.refused) for run, _ in coloured) if name == "loss" else 0
    remarks = ["log scale"] * logarithmic + [f"| {refused} steps refused"] * bool(refused)
    _title(axes, name, ", ".join(remarks))


def _draw_metric(axes, coloured, name):
    """Evaluations as points on a line, each run's baseline as a dashed one."""
    baselines = {}
    for run, colour in coloured:
        if name in run.metrics:
            axes.plot(*run.metrics[name], color=colour, linewidth=1.6, marker="o", markersize=4)
        if name in run.baselines:
            baselines.setdefault(run.baselines[name], []).append(colour)
    for (label, value), owners in baselines.items():
        if not np.isfinite(value):
            continue
        colour = owners[0] if len(owners) < len(coloured) else _FAINT
        axes.axhline(value, color=colour, linewidth=1.2, linestyle=(0, (5, 3)))
        axes.annotate(
            _plain(f"{label.replace('_', ' ')} {value:.4g}"),
            (0.99, value),
            xycoords=axes.get_yaxis_transform(),
            xytext=(0, 3),
            textcoords="offset points",
            ha="right",
            fontsize=8.5,
            color=colour,
        )
    axes.margins(y=0.12)
    _title(axes, _METRIC_TITLES.get(name, name), "on fixed clips")


def _figures(coloured, name):
    """(steps, values, colour) of each run that has a figure."""
    return [(*run.figures[name], colour) for run, colour in coloured if name in run.figures]


def _draw_learning_rate(axes, coloured, name):
    for steps, values, colour in _figures(coloured, name):
        axes.plot(steps, values, color=colour, linewidth=1.8)
    axes.yaxis.set_major_formatter(lambda value, position: f"{value:g}")
    axes.set_ylim(bottom=0)
    _title(axes, STEP_FIGURES[name])


def _draw_seconds(axes, coloured, name):
    """Seconds a step, scaled to usual steps: the few that compile would flatten all others."""
    timed, waits = _figures(coloured, name), _figures(coloured, "data_seconds")
    for steps, values, colour in timed:
        axes.plot(steps, values, ".", color=colour, markersize=2.5, alpha=0.35)
        axes.plot(*_running(steps, values, np.median), color=colour, linewidth=1.8)
    for steps, values, colour in waits:
        axes.plot(*_running(steps, values, np.median), color=colour, linewidth=1.2, linestyle=":")
    top = 1.5 * max(np.nanpercentile(values, 90, method="lower") for _, values, _ in timed)
    beyond = sum(int((values > top).sum()) for _, values, _ in timed)
    if top > 0:  # not where all are NaN
        axes.set_ylim(0, top)
    remarks = [f"{beyond} beyond"] * bool(beyond) + ["dotted: waiting for data"] * bool(waits)
    _title(axes, STEP_FIGURES[name], "; ".join(remarks))


def _running(steps, values, reduce):
    """Up to 400 steps, and the reduced values of a window of a 25th of all steps around each; NaNs are left out."""
    finite = np.isfinite(values)
    steps, values = steps[finite], values[finite]
    half = max(len(values) // 50, 1 if len(values) > 10 else 0)
    places = np.unique(np.linspace(0, len(values) - 1, min(len(values), 400)).round().astype(int))
    return steps[places], np.array([reduce(values[max(place - half, 0) : place + half + 1]) for place in places])
