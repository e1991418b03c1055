"""How large tiles are and how far they overlap, as asked for in pixels and frames."""

from __future__ import annotations

import numbers
from dataclasses import dataclass
from typing import NamedTuple


class Grid(NamedTuple):
    """Tiles of one pass over a video, in latent positions.

    Attributes:
        tile: a tile's (t, h, w).
        overlap: what neighbours share along (t, h, w).
    """

    tile: tuple[int, int, int]
    overlap: tuple[int, int, int]


@dataclass(frozen=True)
class TileSizes:
    """The sizes the user asked for.

    Attributes:
        encode_tile: frames a tile in encoding.
        encode_overlap: frames that neighbours share in encoding.
        decode_tile: frames a tile in decoding.
        decode_overlap: frames that neighbours share in decoding.
        tile_sample_min_height: pixels a tile; frames that are no higher stay whole.
        tile_sample_min_width: pixels a tile; frames that are no wider stay whole.
        tile_sample_stride_height: pixels from one tile to the next; tiles blend over their overlap.
        tile_sample_stride_width: pixels from one tile to the next.
        memory_budget_gb: GB (1e9 bytes) for activations, in place of the four sizes in pixels; None means those.
        share_statistics: the norms use the statistics of all tiles of a frame together, which takes a second pass.
    """

    encode_tile: int = 32
    encode_overlap: int = 0
    decode_tile: int = 32
    decode_overlap: int = 16
    tile_sample_min_height: int = 256
    tile_sample_min_width: int = 256
    tile_sample_stride_height: int = 192
    tile_sample_stride_width: int = 192
    memory_budget_gb: float | None = None
    share_statistics: bool = True

    def check(self, ratio: int) -> None:
        """Raises ValueError for a size that a network of this ratio cannot be tiled by."""
        for part in ("encode", "decode"):
            tile, overlap = self.in_time(part)
            check_multiple(f"{part}_tile", tile, ratio, ratio)
            check_multiple(f"{part}_overlap", overlap, ratio, 0)
            if overlap >= tile:
                raise ValueError(
                    f"{part}_overlap is {overlap}; it must be less than {part}_tile, which is {tile}: "
                    f"use {tile - ratio} or less"
                )
        for side in ("height", "width"):
            tile, stride = getattr(self, f"tile_sample_min_{side}"), getattr(self, f"tile_sample_stride_{side}")
            check_multiple(f"tile_sample_min_{side}", tile, ratio, ratio)
            check_multiple(f"tile_sample_stride_{side}", stride, ratio, ratio)
            if stride > tile:
                raise ValueError(
                    f"tile_sample_stride_{side} is {stride}; it must be at most tile_sample_min_{side}, which is "
                    f"{tile}, or tiles leave gaps: use {tile} or less"
                )
        budget = self.memory_budget_gb
        if budget is not None and (not isinstance(budget, numbers.Real) or isinstance(budget, bool) or not budget > 0):
            raise ValueError(f"memory_budget_gb is {budget!r}; it must be a number above 0: 4 suits a laptop")
        if not isinstance(self.share_statistics, bool):
            raise ValueError(
                f"share_statistics is {self.share_statistics!r}; it must be True or False: leave it out for True"
            )

    def in_time(self, part: str) -> tuple[int, int]:
        """Frames a tile and frames shared, of "encode" or "decode"."""
        return getattr(self, f"{part}_tile"), getattr(self, f"{part}_overlap")


def check_multiple(name: str, value: int, ratio: int, least: int) -> None:
    """Raises ValueError unless a value is a whole multiple of the ratio and at least `least`."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}; it must be a whole number: use {max(least, 4 * ratio)}")
    if value < least:
        raise ValueError(f"{name} is {value}; it must be at least {least}: use {least} or another multiple of {ratio}")
    if value % ratio:
        below = value // ratio * ratio
        choice = f"{below} or {below + ratio}" if below >= least else f"{below + ratio}"
        raise ValueError(f"{name} is {value}; it must be a multiple of {ratio}: use {choice}")
