"""Which frames meet in a temporal convolution, as tables of rows for `FrameTaps`."""

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
        take and give of `FrameTaps`, int32, with rows of t*b.
    """
    frames = [[max(i - 1, 0), i, min(i + 1, t - 1)] for i in range(0, t, stride)]
    return _tables(tuple(map(tuple, frames)), t, b)


@constexpr
def doubled(t, b):
    """What a kernel of 3 sees of frames that each stand twice: two frames for either copy.

    Frame i's first copy sees frames i - 1 and i, its second i and i + 1. Past the ends there are zeros, which the caller adds as a
    frame t.

    Args:
        t: frames, without the added one.
        b: rows a frame.

    Returns:
        take and give of `FrameTaps`, int32, with rows of (t + 1)*b.
    """
    frames = [[i - 1 if i else t, i, i, i + 1] for i in range(t)]
    return _tables(tuple(map(tuple, frames)), t + 1, b)


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


def _tables(frames, held, b):
    take, give = _rows(frames, held, b)
    return ms.Tensor(take), ms.Tensor(give)


@functools.lru_cache(maxsize=64)
def _rows(frames, held, b):
    """Tables of rows from tables of frames; `held` frames are there to be picked."""
    frames = np.array(frames)  # (t_out, taps)
    take = frames[:, None, :] * b + np.arange(b)[None, :, None]  # (t_out, b, taps)
    take = take.reshape(-1).astype(np.int32)
    uses = [[] for _ in range(held * b)]
    for position, row in enumerate(take):
        uses[row].append(position)
    most = max(map(len, uses))
    give = np.array([found + [take.size] * (most - len(found)) for found in uses], np.int32).T
    return take, np.ascontiguousarray(give)
