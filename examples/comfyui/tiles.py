"""Decoding in tiles of time, height and width, blended linearly over what neighbours share.

Tiles start every `tile - overlap` positions. The last is moved back until it ends where the axis ends; what it covers
before its place on the grid is computed as context and dropped. This is how `mindone_tae` tiles without shared
statistics, so that both give the same.
"""

import numpy as np


def tiled(run, z, tile, overlap, ratios):
    """Runs a decoder on tiles and joins what it gives.

    Args:
        run: takes (b, zc, t, h, w), gives pixels `ratios` times as long on the last three axes.
        z: latents (b, zc, lt, lh, lw).
        tile: a tile's (frames, height, width) in pixels.
        overlap: what neighbours share of them, less than a tile.
        ratios: pixels a latent position, of each axis.

    Returns:
        The pixels of the whole.

    Raises:
        ValueError: a tile of no latent position, or an overlap as large as a tile.
    """
    sizes = []
    for name, pixels, shared, ratio in zip(("frames", "height", "width"), tile, overlap, ratios):
        sizes.append((pixels // ratio, shared // ratio))
        if pixels < ratio or shared < 0 or sizes[-1][1] >= sizes[-1][0]:
            raise ValueError(
                f"tiles have {pixels} and share {shared} in {name}; a tile has {ratio} or more, and shares less "
                f"than it has: "
                "take a larger tile or a smaller overlap"
            )

    def over(axis, inner):
        return lambda x: blended(inner, x, axis, *sizes[axis - 2], ratios[axis - 2])

    return over(2, over(3, over(4, run)))(z)


def blended(run, x, axis, tile, overlap, scale):
    """Runs a function on tiles along one axis of x, whose result is `scale` times as long, and joins the results."""
    length, step = x.shape[axis], tile - overlap
    if length <= tile:
        return run(x)
    pieces, held = [], None
    for start in range(0, length - overlap, step):
        begin = min(start, length - tile)
        result = cut(run(cut(x, axis, begin, begin + tile)), axis, (start - begin) * scale)
        shared = overlap * scale
        if held is not None and shared:
            # the newer tile's weights rise linearly, symmetric about the middle of what is shared
            rising = ((np.arange(shared, dtype=np.float32) + 0.5) / shared).reshape((-1,) + (1,) * (x.ndim - axis - 1))
            mixed = held + (cut(result, axis, 0, shared) - held) * rising
            result = np.concatenate((mixed, cut(result, axis, shared)), axis)
        keep = result.shape[axis] - shared
        pieces.append(cut(result, axis, 0, keep))
        held = cut(result, axis, keep)
    return np.concatenate([*pieces, held], axis)


def cut(x, axis, start, stop=None):
    """x[start:stop] along one axis."""
    return x[(slice(None),) * axis + (slice(start, stop),)]
