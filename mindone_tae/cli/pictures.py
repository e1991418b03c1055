"""Reconstructions as pictures that a person can judge."""

import numpy as np

from mindone_tae.data import to_pixels, write_contact_sheet

from .output_names import output_file


def sheet_rows(source, rebuilt):
    """Source, reconstruction and their difference as rows of a contact sheet; frames uint8 (t, h, w, 3)."""
    difference = np.clip(4 * np.abs(source.astype(np.int16) - rebuilt), 0, 255).astype(np.uint8)
    return [("source", source), ("reconstruction", rebuilt), ("difference x4", difference)]


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
