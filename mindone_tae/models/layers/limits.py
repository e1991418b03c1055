"""Limits on a network's sizes, checked before a parameter is allocated: the numbers may come from an untrusted file."""

from __future__ import annotations

import os
from numbers import Integral

# Published networks have 4 levels, 2 blocks in each, and at most 2048 channels.
_MOST_LEVELS = 10
_MOST_LAYERS = 100
_MOST_CHANNELS = 2**14
# Parameters of a residual block per pair of channels: two 3x3 convolutions and two temporal ones of 3, rounded down.
_NUMBERS_A_PAIR = 20
_BYTES = 4


def check_network(ends: dict[str, int], widths: tuple[int, ...], layers: int, groups: int) -> None:
    """Raises ValueError for sizes of which no network can be built, or none that fits this machine's memory.

    Args:
        ends: channels of the network's input and output, by their keywords.
        widths: block_out_channels, the width of each level.
        layers: layers_per_block.
        groups: norm_num_groups.

    Raises:
        ValueError: one is out of its range, or the network would take more than the machine's memory.
    """
    if not hasattr(widths, "__len__") or not 1 <= len(widths) <= _MOST_LEVELS:
        raise ValueError(
            f"block_out_channels is {widths!r:.60}; it must be 1 to {_MOST_LEVELS} widths: the published model has 4"
        )
    named = {**ends, **{f"block_out_channels[{level}]": width for level, width in enumerate(widths)}}
    bounds = [(name, count, _MOST_CHANNELS) for name, count in named.items()]
    for name, count, most in (
        *bounds,
        ("layers_per_block", layers, _MOST_LAYERS),
        ("norm_num_groups", groups, _MOST_CHANNELS),
    ):
        if not isinstance(count, Integral) or not 1 <= count <= most:
            raise ValueError(
                f"{name} is {count!r}; it must be a whole number from 1 to {most}: take the published model's if unsure"
            )
    network = _BYTES * _NUMBERS_A_PAIR * layers * sum(width**2 for width in widths)
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if network > machine:
        raise ValueError(
            f"block_out_channels is {tuple(widths)} and layers_per_block {layers}; the network would take more than "
            f"{network / 1e9:.3g} GB, and this machine has {machine / 1e9:.3g}: lower them"
        )
