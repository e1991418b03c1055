"""Index tables of temporal convolutions for `frame_taps`: which rows of the input each row of the output reads.

forward_rows (rows_out*taps,): for each row of the result, tap by tap, the row of x that it reads.
backward_rows (rows*group*taps,): for each row of x, group by group and tap by tap, the row of the result whose gradient
    reaches it through that tap. Each group's results are rows of their own, rows_out*group in all; after them come the
    sums of shared rows, and last a row of zeros.
one_shared, other_shared (n,): pairs of rows of the result whose gradients reach the same row of x through the same tap,
    as at the ends, where a frame is repeated.
"""

import functools

import numpy as np

import mindspore as ms
from mindspore.ops import constexpr


@constexpr
def neighbours(t, b):
    """Each frame between the one before and the one after, the ends repeated.

    Args:
        t: frames, at least 2.
        b: rows a frame.

    Returns:
        forward_rows, backward_rows, one_shared and other_shared, int32.
    """
    return _tables(_between_neighbours(range(t), t), t, b)


@constexpr
def every_other(t, b):
    """As `neighbours`, for the first, third, fifth frame and so on."""
    return _tables(_between_neighbours(range(0, t, 2), t), t, b)


@constexpr
def doubled(t, b):
    """The frames that a kernel of 3 reads after each frame was doubled: two different frames for either copy.

    Frame i's first copy reads frames i - 1 and i, its second i and i + 1. Past the ends are zeros: an extra row after
    those of x.

    Args:
        t: frames.
        b: rows a frame.

    Returns:
        forward_rows, backward_rows, one_shared and other_shared, int32, for two groups.
    """
    return _tables(tuple(((i - 1 if i else t, i), (i, i + 1)) for i in range(t)), t, b)


@constexpr
def copies_side_by_side(t, b):
    """Indices that reorder rows from (t, b, copy) to (t, copy, b).

    Args:
        t: frames before the doubling.
        b: rows a frame.

    Returns:
        int32, (2*t*b,).
    """
    return ms.Tensor(np.arange(2 * t * b).reshape(t, b, 2).transpose(0, 2, 1).reshape(-1).astype(np.int32))


def _between_neighbours(centres, t):
    return tuple(((max(i - 1, 0), i, min(i + 1, t - 1)),) for i in centres)


def _tables(frames, t, b):
    return tuple(ms.Tensor(table) for table in _rows(frames, t, b))


@functools.lru_cache(maxsize=64)
def _rows(frames, t, b):
    """Tables of rows from tables of frames.

    Args:
        frames: for each frame of the result and each group, the frames of x that its taps read; t stands for zeros.
        t: frames of x.
        b: rows a frame.
    """
    frames = np.array(frames)  # (t_out, group, taps)
    t_out, group, taps = frames.shape
    seen = frames.reshape(t_out, 1, group * taps)
    forward_rows = np.where(seen < t, seen * b + np.arange(b)[:, None], t * b)  # (t_out, b, group*taps)
    results = np.arange(t_out * b * group).reshape(t_out, b, group)
    reaching = [[] for _ in range(t * b * group * taps)]
    for i, row, slot in np.ndindex(forward_rows.shape):
        if forward_rows[i, row, slot] < t * b:
            reaching[forward_rows[i, row, slot] * group * taps + slot].append(results[i, row, slot // taps])
    # a table cannot be empty: where no two gradients meet, one sum that no row reads
    shared = sorted({tuple(found) for found in reaching if len(found) == 2}) or [(0, 0)]
    places = {pair: results.size + i for i, pair in enumerate(shared)}
    zeros = results.size + len(shared)
    backward_rows = [places[tuple(found)] if len(found) == 2 else found[0] if found else zeros for found in reaching]
    tables = forward_rows.reshape(-1), np.array(backward_rows), *np.array(shared).T
    return tuple(np.ascontiguousarray(table, np.int32) for table in tables)
