"""Summary of a manifest: figures, and a picture of histograms."""

from __future__ import annotations

import os
import re
import warnings
from collections import Counter

import numpy as np

from mindone_tae.zoo.atomic_file import replacing
from mindone_tae.zoo.printable import printable

_INK, _FAINT, _BAR, _PALE = "#202020", "#787878", "#466eaa", "#c8d8ee"
_PLACES = {"left": 0.06, "right": 0.97, "bottom": 0.05, "top": 0.95, "wspace": 0.15, "hspace": 0.35}
_BINS = 16
# Sizes, codecs and reasons named one by one; the rest are counted together.
_NAMED = 8
_LONGEST_NAME = 50
# Relative spread below which values count as one: NumPy makes no bins between neighbouring floats.
_LEAST_SPREAD = 1e-6


def summarize(rows: list[dict]) -> dict:
    """Figures of a collection.

    Args:
        rows: of a manifest; see `manifest_row`.

    Returns:
        JSON values: files, readable, bad, hours, frames, bytes; the least, median and most of frames, fps and
        duration_s; counts of sizes, codecs, readers, transfers and reasons, most frequent first; and the number of
        files whose rate is a guess.
    """
    good = [row for row in rows if not row["reason"]]
    return {
        "files": len(rows),
        "readable": len(good),
        "bad": len(rows) - len(good),
        "hours": round(sum(row["duration_s"] for row in good) / 3600, 6),
        "frames": sum(row["frames"] for row in good),
        "bytes": sum(row["bytes"] for row in rows),
        **{
            f"{name}_least_median_most": _spread([row[name] for row in good])
            for name in ("frames", "fps", "duration_s")
        },
        "sizes": _counts(f"{row['width']}x{row['height']}" for row in good),
        "codecs": _counts(row["codec"] for row in good),
        "readers": _counts(row["reader"] for row in good),
        "transfers": _counts(row["transfer"] or "not told" for row in rows if row["frames"]),
        "fps_guessed": sum(row["fps_is_guess"] for row in good),
        "reasons": _counts(_kind(row["reason"]) for row in rows if row["reason"]),
    }


def _spread(values):
    return [float(f(values)) for f in (np.min, np.median, np.max)] if values else None


def _counts(names):
    return dict(Counter(names).most_common())


def _kind(reason):
    """A reason without a file's own numbers and names."""
    return re.sub(r"[1-9]\d*", "#", reason.partition(":")[0].partition(" (")[0])


def write_histograms(path: str | os.PathLike, rows: list[dict]) -> None:
    """Draw how frames, rates, durations, shapes, sizes and reasons are spread over a collection's files.

    Args:
        path: ends in .png.
        rows: of a manifest.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    good = [row for row in rows if not row["reason"]]
    reasons = [_kind(row["reason"]) for row in rows if row["reason"]]
    panels = {
        "frames of a file": [row["frames"] for row in good],
        "frames a second": [f"{row['fps']:.4g}" for row in good],
        "seconds": [row["duration_s"] for row in good],
        "width x height": [f"{row['width']}x{row['height']}" for row in good],
        "width : height": [row["width"] / row["height"] for row in good],
        f"what is wrong with {len(reasons)} of {len(rows)} files": reasons,
    }
    style = {"font.size": 9, "axes.titlesize": 11, "axes.titlepad": 10, "text.color": _INK}
    with warnings.catch_warnings(), rc_context(style):
        warnings.simplefilter("ignore")  # characters that the font lacks
        figure = Figure(figsize=(9.2, 7.8))
        places = figure.subplots(3, 2, gridspec_kw=_PLACES).flat
        for axes, (title, values) in zip(places, panels.items()):
            axes.set_title(title, loc="left")
            axes.spines[["left", "top", "right"]].set_visible(False)
            if not values:
                axes.text(0, 0.9, "none", color=_FAINT)
                axes.set_axis_off()
            elif isinstance(values[0], str):
                _draw_rows(axes, _named(Counter(values)))
            elif max(values) - min(values) < _LEAST_SPREAD * max(values):
                _draw_rows(axes, [(f"{values[0]:.4g}", len(values))])
            else:
                _draw_columns(axes, values)
        with replacing(path) as temporary:
            figure.savefig(temporary, format="png")


def _named(counts):
    """(name, count) of the most frequent, the rest together."""
    first = counts.most_common(_NAMED)
    rest = counts.total() - sum(count for _, count in first)
    return first + ([("others", rest)] if rest else [])


def _draw_rows(axes, bars):
    """A bar for each (name, count), its name upon it and its count before it; a name may hold anything."""
    names, counts = zip(*bars)
    axes.barh(range(len(names)), counts, color=_PALE)
    for place, name in enumerate(names):
        axes.text(0, place, f" {printable(name, _LONGEST_NAME)}", va="center", parse_math=False)
    axes.set_yticks(range(len(names)), counts, color=_FAINT)
    axes.set_ylim(_NAMED + 0.5, -0.5)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines["bottom"].set_visible(False)


def _draw_columns(axes, values):
    """A histogram, each column with its count."""
    counts, _, bars = axes.hist(values, bins=_BINS, color=_BAR, rwidth=0.9)
    axes.bar_label(bars, [f"{count:.0f}" if count else "" for count in counts], color=_FAINT, fontsize=8)
    axes.set_yticks([])
    axes.spines["bottom"].set_color(_FAINT)
