"""Cutting one axis into tiles and joining their results; NumPy only, the same for time, height and width.

Tiles start every `tile - overlap` positions, and each takes over from the one before it along a linear ramp over their
overlap. The last is moved back until it ends where the axis ends. What it then covers before its place on the grid is
context: computed and dropped, so that its ramp stays where it was. Hence no cut and no weight depends on later input,
and a stream of unknown length is tiled exactly as the whole clip is.

Moving back is better than padding: the tile contains true neighbours, where repeated ones would pull the norms'
statistics and the attention towards a still picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np


def ramp(length: int) -> np.ndarray:
    """Weights of the newer tile over an overlap: (length,) float32, linear, in (0, 1), symmetric about its middle."""
    return (np.arange(length, dtype=np.float32) + 0.5) / max(length, 1)


def blend_tiles(
    chunks: Iterable[np.ndarray],
    run: Callable[[np.ndarray], np.ndarray],
    axis: int,
    tile: int,
    overlap: int,
    in_scale: int = 1,
    out_scale: int = 1,
) -> Iterator[np.ndarray]:
    """Runs a function on tiles of a stream and joins the results, piece by piece.

    Lengths are in latent positions, each `in_scale` long in the input and `out_scale` in the output. An input of one
    tile or less is run as it is. In a longer one every tile has the same length; where the input's length is not a
    multiple of `in_scale`, the last tile repeats the last position up to the next multiple.

    Args:
        chunks: arrays that follow each other along `axis`, of any lengths.
        run: takes a tile and returns an array out_scale / in_scale times as long. It may leave out its end where
            nothing later than that is taken from what is yielded.
        axis: the axis cut.
        tile: latent positions a tile.
        overlap: latent positions shared by neighbours, less than `tile`.
        in_scale: input positions a latent one.
        out_scale: output positions a latent one.

    Yields:
        Arrays that follow each other along `axis`, each as soon as no later tile can change it.
    """
    size, step = tile * in_scale, (tile - overlap) * in_scale
    window = _Window(axis)
    seam = _Seam(axis, overlap * out_scale, tile * out_scale)
    start = 0  # of the next tile, if the stream goes on
    for piece in _pieces(chunks, axis, size):
        window.append(piece)
        while window.end >= start + size:
            yield seam.cross(run(window.take(start, start + size)))
            start += step
        window.drop_before(min(start, window.end - size))
    if start == 0:
        if window.end:
            yield run(window.take(0, window.end))
        return
    if window.end > start - step + size:
        moved_back = (-(-window.end // in_scale) - tile) * in_scale
        result = run(window.take(moved_back, moved_back + size))
        yield seam.cross(result, context=(start - moved_back) // in_scale * out_scale)
    if overlap:
        yield seam.held


def gather(pieces: Iterable[np.ndarray], axis: int, length: int) -> np.ndarray:
    """The first `length` positions of a stream as one array; later pieces are not computed."""
    gathered, filled = None, 0
    for piece in pieces:
        if filled == 0 and piece.shape[axis] == length:
            return piece
        if gathered is None:
            shape = list(piece.shape)
            shape[axis] = length
            gathered = np.empty(shape, piece.dtype)
        piece = cut(piece, axis, 0, length - filled)
        cut(gathered, axis, filled, filled + piece.shape[axis])[:] = piece
        filled += piece.shape[axis]
        if filled == length:
            break
    return gathered


def cut(x: np.ndarray, axis: int, start: int, stop: int | None = None) -> np.ndarray:
    """x[start:stop] along one axis, a view."""
    return x[(slice(None),) * axis + (slice(start, stop),)]


class _Seam:
    """Holds back the end of a tile until the next one has been blended into it."""

    def __init__(self, axis, overlap, size):
        self.axis = axis
        self.overlap = overlap
        self.size = size
        self.held = None

    def cross(self, result, context=0):
        """Takes the next tile's result without its first `context` positions; returns the part that is final."""
        result = cut(result, self.axis, context)
        keep = self.size - context - self.overlap
        if self.held is not None and self.overlap:
            shared = self.held.shape[self.axis]  # less than the overlap where ends are left out
            weights = ramp(self.overlap)[:shared].reshape((-1,) + (1,) * (result.ndim - self.axis - 1))
            # the old value plus a share of the difference: where both tiles agree, the result is bit-identical
            mixed = self.held + (cut(result, self.axis, 0, shared) - self.held) * weights
            result = np.concatenate((mixed, cut(result, self.axis, shared)), self.axis)
        # a copy, or the view would keep the whole tile alive
        self.held = cut(result, self.axis, keep).copy()
        return np.ascontiguousarray(cut(result, self.axis, 0, keep))


class _Window:
    """The part of a stream that later tiles may need, addressed by position in the stream."""

    def __init__(self, axis):
        self.axis = axis
        self.first = 0
        self.end = 0
        self.kept = None

    def append(self, piece):
        self.kept = piece if self.kept is None else np.concatenate((self.kept, piece), self.axis)
        self.end += piece.shape[self.axis]

    def drop_before(self, position):
        if position > self.first:
            self.kept = cut(self.kept, self.axis, position - self.first).copy()
            self.first = position

    def take(self, start, stop):
        """Positions from `start` to `stop`, the last one repeated past the end."""
        taken = cut(self.kept, self.axis, start - self.first, stop - self.first)
        missing = stop - max(self.end, start)
        if missing > 0:
            taken = np.concatenate((taken, np.repeat(cut(taken, self.axis, -1), missing, self.axis)), self.axis)
        return np.ascontiguousarray(taken)


def _pieces(chunks, axis, longest):
    """The stream in pieces of at most `longest` positions, so that a long chunk is not copied as a whole."""
    for chunk in chunks:
        for start in range(0, chunk.shape[axis], longest):
            yield cut(chunk, axis, start, start + longest)
