"""Frames of several videos as rows of one labelled picture."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mindone_tae.zoo.atomic_file import replacing
from mindone_tae.zoo.errors import UserError

# Pixels of the sheet.
_SMALLEST_TILE = 144
_GAP = 6
_MARGIN = 16
_TEXT = 17
_INK, _FAINT, _PAPER = (32, 32, 32), (120, 120, 120), (255, 255, 255)


def contact_sheet(
    rows: Sequence[tuple[str, np.ndarray]], columns: int = 6, frame_numbers: Sequence[int] | None = None
) -> Image.Image:
    """Draw evenly spaced frames of each video in a row, the same moments in every row.

    Small frames are enlarged by a whole factor without interpolation, so that their pixels can be compared.

    Args:
        rows: (label, frames) each, frames uint8 (t, h, w, 3), all of one shape.
        columns: most frames a row, the first and the last among them.
        frame_numbers: labels of the frames; None counts from 0.

    Raises:
        UserError: no rows, no frames, or rows of different shapes.
    """
    shapes = {frames.shape for _, frames in rows}
    if len(shapes) != 1 or not len(rows[0][1]):
        raise UserError(
            f"a sheet needs rows of frames of one shape (t, h, w, 3), and these are {sorted(shapes) or 'none'}"
        )
    if columns < 1:
        raise UserError(f"columns is {columns}; it must be 1 or more: 6 suits most")
    count, height, width = rows[0][1].shape[:3]
    numbers = np.unique(np.linspace(0, count - 1, min(columns, count)).round().astype(int))
    factor = max(1, -(-_SMALLEST_TILE // min(height, width)))
    tile_height, tile_width = height * factor, width * factor

    font = ImageFont.load_default(_TEXT)
    left = _MARGIN + max(int(font.getlength(label)) for label, _ in rows) + _MARGIN
    top = _MARGIN + _TEXT + _GAP
    lefts = [left + column * (tile_width + _GAP) for column in range(len(numbers))]
    tops = [top + row * (tile_height + _GAP) for row in range(len(rows))]
    sheet = Image.new("RGB", (lefts[-1] + tile_width + _MARGIN, tops[-1] + tile_height + _MARGIN), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for x, number in zip(lefts, numbers):
        title = f"frame {number if frame_numbers is None else frame_numbers[number]}"
        draw.text((x + tile_width // 2, _MARGIN + _TEXT // 2), title, fill=_FAINT, font=font, anchor="mm")
    for y, (label, frames) in zip(tops, rows):
        draw.text((_MARGIN, y + tile_height // 2), label, fill=_INK, font=font, anchor="lm")
        for x, number in zip(lefts, numbers):
            tile = Image.fromarray(frames[number]).resize((tile_width, tile_height), Image.Resampling.NEAREST)
            sheet.paste(tile, (x, y))
    return sheet


def write_contact_sheet(
    path: str | os.PathLike,
    rows: Sequence[tuple[str, np.ndarray]],
    columns: int = 6,
    frame_numbers: Sequence[int] | None = None,
) -> None:
    """Write a contact sheet as a PNG, atomically.

    Args:
        path: ends in .png.
        rows: see contact_sheet.
        columns: see contact_sheet.
        frame_numbers: see contact_sheet.
    """
    sheet = contact_sheet(rows, columns, frame_numbers)
    with replacing(path) as temporary:
        sheet.save(temporary, format="PNG")
