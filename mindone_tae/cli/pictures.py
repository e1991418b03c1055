"""Pictures of reconstructions and their errors."""

import numpy as np

from mindone_tae.data import to_pixels, write_contact_sheet

from .output_names import output_file

# The error's scale: black is no error, this colour is _ERROR_LEVELS of 255 levels or more.
_ERROR_COLOUR = (255, 176, 59)
_ERROR_LEVELS = 64


def sheet_rows(source, *rebuilt):
    """Source, reconstructions and the first one's error as rows of a contact sheet.

    Args:
        source: uint8 (t, h, w, 3).
        *rebuilt: (label, frames) each, or frames alone, labelled "reconstruction".
    """
    rows = [each if isinstance(each, tuple) else ("reconstruction", each) for each in rebuilt]
    return [("source", source), *rows, (f"error, 0 to {_ERROR_LEVELS}", error_magnitude(source, rows[0][1]))]


def error_magnitude(source, rebuilt):
    """The root mean square over the channels of each pixel's difference, in one colour; uint8 (t, h, w, 3) each."""
    shown = np.empty_like(source)
    for frame, target, picture in zip(rebuilt, source, shown):  # one at a time, for the memory of large ones
        difference = target.astype(np.float32) - frame
        difference *= difference
        share = np.minimum(np.sqrt(difference.mean(axis=-1)) / _ERROR_LEVELS, 1)
        for channel, level in enumerate(_ERROR_COLOUR):
            picture[..., channel] = np.rint(level * share)
    return shown


def write_pictures(folder, pictures):
    """Writes a PNG sheet for each clip.

    Args:
        folder: where they go.
        pictures: (name, x, recon) of each clip, arrays (c, t, h, w) in [-1, 1].

    Returns:
        The paths.
    """
    paths = []
    for name, x, recon in pictures:
        path, clip = output_file(folder, name, ".png"), 1
        while path in paths:  # another clip of the same video
            clip += 1
            path = output_file(folder, f"{name} ({clip})", ".png")
        write_contact_sheet(path, sheet_rows(to_pixels(x), to_pixels(recon)))
        paths.append(path)
    return paths
