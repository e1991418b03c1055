"""Which frames meet in a temporal convolution, as tables of rows for `FrameTaps`.

take (rows_out*taps,): for each row of the result, tap by tap, the row of x it sees.
give (rows*group*taps,): for each row of x, group by group and tap by tap, the row of the result whose gradient comes to it that way. The
    results of the groups count as rows of their own, rows_out*group of them; after them stand the rows of `pairs`, and last one of zeros.
pairs (2, n): rows of the result whose gradients come to one row of x through one tap, as at the ends, where a frame is repeated.
"""

import functools

import numpy as np

import mindspore as ms
from mindspore.ops import constexpr


@constexpr
def neighbours(t, b, stride):
    """Each stride-th frame between the one before and the one after, the ends repeated.

    Args:
        t: frames, at least 2.
        b: rows a frame.
        stride: frames a step.

    Returns:
        take, give and pairs, int32.
    """
    frames = [((max(i - 1, 0), i, min(i + 1, t - 1)),) for i in range(0, t, stride)]
    return _tables(tuple(frames), t, b)


@constexpr
def doubled(t, b):
    """What a kernel of 3 sees of frames that each stand twice: two frames for either copy.

    Frame i's first copy sees frames i - 1 and i, its second i and i + 1. Past the ends there are zeros: a row after those of x.

    Args:
        t: frames.
        b: rows a frame.

    Returns:
        take, give and pairs, int32, for two groups.
    """
    frames = [((i - 1 if i else t, i), (i, i + 1)) for i in range(t)]
    return _tables(tuple(frames), t, b)


@constexpr
def copies_side_by_side(t, b):
    """The rows (t, b, copy) in the order (t, copy, b).

    Args:
        t: frames before the doubling.
        b: rows a frame.

    Returns:
        int32, (2*t*b,).
    """
    return ms.Tensor(np.arange(2 * t * b).reshape(t, b, 2).transpose(0, 2, 1).reshape(-1).astype(np.int32))


def _tables(frames, t, b):
    return tuple(ms.Tensor(table) for table in _rows(frames, t, b))


@functools.lru_cache(maxsize=64)
def _rows(frames, t, b):
    """Tables of rows from tables of frames.

    Args:
        frames: for each frame of the result and each group, the frames of x that its taps see; t stands for zeros.
        t: frames of x.
        b: rows a frame.
    """
    frames = np.array(frames)  # (t_out, group, taps)
    t_out, group, taps = frames.shape
    seen = frames.reshape(t_out, 1, group * taps)
    take = np.where(seen < t, seen * b + np.arange(b)[:, None], t * b)  # (t_out, b, group*taps)
    results = np.arange(t_out * b * group).reshape(t_out, b, group)
    uses = [[] for _ in range(t * b * group * taps)]
    for i, row, slot in np.ndindex(take.shape):
        if take[i, row, slot] < t * b:
            uses[take[i, row, slot] * group * taps + slot].append(results[i, row, slot // taps])
    # a table cannot be empty: where no uses meet, one pair that nothing gives
    pairs = sorted({tuple(found) for found in uses if len(found) == 2}) or [(0, 0)]
    places = {pair: results.size + i for i, pair in enumerate(pairs)}
    nothing = results.size + len(pairs)
    give = [places[tuple(found)] if len(found) == 2 else found[0] if found else nothing for found in uses]
    return take.reshape(-1).astype(np.int32), np.array(give, np.int32), np.array(pairs, np.int32).T.copy()
