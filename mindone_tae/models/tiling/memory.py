"""Estimate of the memory one pass through the network takes, and the largest tile that fits a budget.

The estimate is the number of activations alive at the worst moment times the size of the widest one:

    bytes = live * 4 * max over levels i of (channels at level i / 8**i) * b * t * h * w

It leaves out the parameters and the attention's scores, of which at most 128 MB are held at once.
`live` is 14 in the encoder and 11 in the decoder: the growth of the process's resident memory in graph mode, and in the
decoder one more. Measured (MindSpore 2.8.0, CPU, widths 16 to 64, 16 frames of 96 pixels): 13 and 9 in PyNative mode,
14 and 10 in graph mode. The type does not enter: float16 took as much as float32 on a CPU, since norms are float32.
"""

from __future__ import annotations

_LIVE = {"encode": 14, "decode": 11}
# In latent positions; most of a smaller tile would be border.
_SMALLEST_SIDE = 8


def activation_bytes(part: str, block_out_channels: tuple[int, ...], video_shape: tuple[int, int, int, int]) -> int:
    """Estimate of the memory one pass takes beside the parameters.

    Args:
        part: "encode" or "decode".
        block_out_channels: width of each level of the network.
        video_shape: (b, t, h, w), in frames and pixels for both parts.

    Returns:
        Bytes.
    """
    # the decoder enters each level with the width of the one below it
    ahead = 1 if part == "decode" else 0
    last = len(block_out_channels) - 1
    widest = max(max(block_out_channels[i], block_out_channels[min(i + ahead, last)]) / 8**i for i in range(last + 1))
    b, t, h, w = video_shape
    return round(4 * _LIVE[part] * widest * b * t * h * w)


def tile_within(
    budget_gb: float, part: str, block_out_channels: tuple[int, ...], video_shape: tuple[int, int, int, int], ratio: int
) -> tuple[int, int]:
    """The largest tile in space whose pass fits a budget; its length in time is given.

    Args:
        budget_gb: GB (1e9 bytes).
        part: "encode" or "decode".
        block_out_channels: width of each level of the network.
        video_shape: (b, t, h, w) of one time tile, in frames and pixels.
        ratio: pixels a latent position.

    Returns:
        Height and width in latent positions: those of the frame, or cut to a square.

    Raises:
        ValueError: where even the smallest tile does not fit.
    """
    b, t, h, w = video_shape
    lh, lw = h // ratio, w // ratio
    for side in range(max(lh, lw), min(_SMALLEST_SIDE, max(lh, lw)) - 1, -1):
        tile = min(side, lh), min(side, lw)
        needed = activation_bytes(part, block_out_channels, (b, t, tile[0] * ratio, tile[1] * ratio))
        if needed <= budget_gb * 1e9:
            return tile
    videos, slicing = (f" of {b} videos", ", or call enable_slicing()") if b > 1 else ("", "")
    raise ValueError(
        f"memory_budget_gb is {budget_gb:g}; the smallest tile, {t} frames of {tile[0] * ratio}x{tile[1] * ratio} "
        f"pixels{videos}, takes about {needed / 1e9:.2g} GB to {part}: allow that much, or take fewer frames a tile, "
        f"by enable_tiling(tile_sample_min_num_frames=...) or {part}_tile and {part}_overlap{slicing}"
    )
