"""Frames of a reconstruction and its video, in pairs, for a metric."""

from collections.abc import Callable

import numpy as np

from mindone_tae.zoo.errors import UserError

# Pixels of a strip: smaller frames stay whole.
_STRIP_PX = 2**20


def frame_means(
    measure: Callable[[np.ndarray, np.ndarray], float], recon: np.ndarray, x: np.ndarray, around: int = 0
) -> list[float]:
    """A metric that is a mean over a frame's pixels, of each frame of a clip.

    Frames are measured in strips of rows: the metric's temporary arrays stay small for a 4K frame.

    Args:
        measure: called with the rows of x and of recon, each (c, rows, w) float64, mapped from [-1, 1] to [0, 1] and
            clipped; no rounding to 8 bits.
        recon: reconstruction (c, t, h, w) in about [-1, 1].
        x: video, the same shape and range.
        around: rows that strips share with each neighbour, for a metric of windows of 2 * around + 1 rows.

    Returns:
        t numbers.

    Raises:
        UserError: if the shapes differ, are not (c, t, h, w), or there is no frame.
    """
    recon, x = check_pair(recon, x)
    h, w = x.shape[2:]
    windows, rows, means = h - 2 * around, max(_STRIP_PX // w, 1), []
    for i in range(x.shape[1]):
        total = 0.0
        for start in range(0, windows, rows):
            stop = min(start + rows, windows)
            taken = slice(start, stop + 2 * around)
            total += (stop - start) / windows * measure(_unit(x[:, i, taken]), _unit(recon[:, i, taken]))
        means.append(total)
    return means


def check_pair(recon: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays.

    Raises:
        UserError: if the shapes differ, are not (c, t, h, w), there is no frame, or pixels are whole numbers.
    """
    recon, x = np.asarray(recon), np.asarray(x)
    if recon.shape != x.shape:
        raise UserError(
            f"the reconstruction's shape is {recon.shape} and the video's {x.shape}; they must be equal: "
            "have the model drop the frames beyond the input's"
        )
    if x.ndim != 4 or 0 in x.shape:
        raise UserError(
            f"the clip's shape is {x.shape}; a metric takes (c, t, h, w), none of them 0: pass one clip at a time"
        )
    for array in (recon, x):
        if array.dtype.kind in "iub":
            raise UserError(f"a clip holds {array.dtype}; pixels are numbers in [-1, 1]: give bytes / 127.5 - 1")
    return recon, x


def _unit(frame):
    return np.clip((frame.astype(np.float64) + 1) / 2, 0, 1)
