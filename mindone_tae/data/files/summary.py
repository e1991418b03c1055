"""Summary of a manifest: figures, and a picture of histograms."""

from __future__ import annotations

import os
import re
from collections import Counter
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mindone_tae.zoo.atomic_file import replacing

_INK, _FAINT, _PAPER, _BAR = (32, 32, 32), (120, 120, 120), (255, 255, 255), (70, 110, 170)
_font = lru_cache(ImageFont.load_default)  # by size; each load unpacks it again
_PANEL, _MARGIN, _TEXT = (460, 260), 24, 16
_BINS = 16
# Sizes, codecs and reasons named one by one; the rest are counted together.
_NAMED = 8


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
    good = [row for row in rows if not row["reason"]]
    reasons = Counter(_kind(row["reason"]) for row in rows if row["reason"])
    panels = [
        ("frames of a file", _bins([row["frames"] for row in good])),
        ("frames a second", _named(Counter(f"{row['fps']:.4g}" for row in good))),
        ("seconds", _bins([row["duration_s"] for row in good])),
        ("width : height", _bins([row["width"] / row["height"] for row in good])),
        ("width x height", _named(Counter(f"{row['width']}x{row['height']}" for row in good))),
        (f"what is wrong with {len(rows) - len(good)} of {len(rows)} files", _named(reasons)),
    ]
    picture = Image.new("RGB", (2 * _PANEL[0], 3 * _PANEL[1]), _PAPER)
    draw = ImageDraw.Draw(picture)
    for number, (title, bars) in enumerate(panels):
        left, top = number % 2 * _PANEL[0], number // 2 * _PANEL[1]
        draw.text((left + _MARGIN, top + _MARGIN // 2), title, fill=_INK, font=_font(_TEXT))
        if not bars:
            draw.text((left + _MARGIN, top + 2 * _MARGIN), "none", fill=_FAINT, font=_font(_TEXT))
        elif isinstance(bars[0][0], float):
            _draw_columns(draw, left, top, bars)
        else:
            _draw_rows(draw, left, top, bars)
    with replacing(path) as temporary:
        picture.save(temporary, format="PNG")


def _bins(values):
    """(lower edge, count) of even bins, and the upper edge of the last with count None."""
    if not values:
        return []
    counts, edges = np.histogram(values, bins=_BINS)
    return [*((float(edge), int(count)) for edge, count in zip(edges, counts)), (float(edges[-1]), None)]


def _named(counts):
    """(name, count) of the most frequent, the rest together."""
    first = counts.most_common(_NAMED)
    rest = sum(counts.values()) - sum(count for _, count in first)
    return first + ([("others", rest)] if rest else [])


def _draw_columns(draw, left, top, bars):
    left = left + _MARGIN
    ground, height = top + _PANEL[1] - _MARGIN - _TEXT, _PANEL[1] - 3 * _MARGIN - 2 * _TEXT
    most = max(count for _, count in bars[:-1])
    width = (_PANEL[0] - 2 * _MARGIN) / (len(bars) - 1)
    for number, (_, count) in enumerate(bars[:-1]):
        if count:
            x, y = left + number * width, ground - height * count / most
            draw.rectangle((x + 1, y, x + width - 2, ground), fill=_BAR)
            draw.text((x + width / 2, y - 2), str(count), fill=_FAINT, font=_font(11), anchor="mb")
    draw.line((left, ground, left + _PANEL[0] - 2 * _MARGIN, ground), fill=_FAINT)
    for number, anchor in ((0, "lt"), (len(bars) // 2, "mt"), (len(bars) - 1, "rt")):
        edge = f"{bars[number][0]:.4g}"
        draw.text((left + number * width, ground + 4), edge, fill=_FAINT, font=_font(_TEXT), anchor=anchor)


def _draw_rows(draw, left, top, bars):
    small = _font(13)
    most, middle = max(count for _, count in bars), left + _PANEL[0] // 2
    for number, (name, count) in enumerate(bars):
        y = top + 2 * _MARGIN + number * 22
        while small.getlength(name) > _PANEL[0] // 2 - _MARGIN - 8:
            name = name.rstrip("…")[:-1] + "…"
        draw.text((middle - 6, y), name, fill=_INK, font=small, anchor="rt")
        length = (_PANEL[0] // 2 - 3 * _MARGIN) * count / most
        draw.rectangle((middle, y, middle + max(length, 1), y + 14), fill=_BAR)
        draw.text((middle + length + 6, y), str(count), fill=_FAINT, font=small, anchor="lt")
