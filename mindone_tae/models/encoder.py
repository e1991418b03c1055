"""Pixels to the moments of the posterior."""

from __future__ import annotations

import mindspore as ms
from mindspore import nn, ops

from .kernels.activation import silu
from .kernels.recompute import recompute_blocks
from .layers.convolution import Conv2_5d
from .layers.dtypes import network_input
from .layers.frames import FramesCell
from .layers.limits import check_network
from .layers.middle import MidBlock
from .layers.normalization import GroupNorm
from .layers.resampling import SpatialDownsample, TemporalDownsample, Unchanged
from .layers.residual import ResnetBlock


class DownLevel(FramesCell):
    """The residual blocks of one level, then, unless it is the last, half the space and half the time."""

    def __init__(self, in_channels, out_channels, layers, last, norm_num_groups, dropout, dtype):
        super().__init__()
        widths = [in_channels] + [out_channels] * layers
        self.block = nn.CellList(
            [ResnetBlock(i, o, norm_num_groups, dropout, dtype) for i, o in zip(widths[:-1], widths[1:])]
        )
        self.downsample_spat = Unchanged() if last else SpatialDownsample(out_channels, dtype)
        self.downsample_temp = Unchanged() if last else TemporalDownsample(out_channels, dtype)
        self.halves = not last

    def frames(self, x, b):
        """(t*b, c, h, w) to (ceil(t/2)*b, out_channels, h/2, w/2); the last level keeps t, h and w."""
        for block in self.block:
            x = block(x, b)
        return self.downsample_temp(self.downsample_spat(x, b), b)


class Encoder(FramesCell):
    """The encoder: one level for each width, the middle, and the moments.

    Args:
        in_channels: pixel channels.
        latent_channels: channels of the latent; the output has twice as many, mean and log-variance.
        block_out_channels: width of each level.
        layers_per_block: residual blocks a level.
        norm_num_groups: groups of every norm.
        dropout: probability of dropping an element in training.
        dtype: the type computed in; norms and softmax are float32.
    """

    def __init__(
        self,
        in_channels: int = 3,
        latent_channels: int = 16,
        block_out_channels: tuple[int, ...] = (128, 256, 512, 512),
        layers_per_block: int = 2,
        norm_num_groups: int = 32,
        dropout: float = 0.0,
        dtype=ms.float32,
    ):
        ends = {"in_channels": in_channels, "latent_channels": latent_channels}
        check_network(ends, block_out_channels, layers_per_block, norm_num_groups)
        super().__init__()
        widths = (block_out_channels[0], *block_out_channels)
        last = len(block_out_channels) - 1
        self.conv_in = Conv2_5d(in_channels, widths[0], dtype=dtype)
        self.down = nn.CellList(
            [
                DownLevel(widths[i], widths[i + 1], layers_per_block, i == last, norm_num_groups, dropout, dtype)
                for i in range(len(block_out_channels))
            ]
        )
        self.mid = MidBlock(widths[-1], norm_num_groups, dropout, dtype)
        self.norm_out = GroupNorm(widths[-1], norm_num_groups, dtype=dtype)
        self.conv_out = Conv2_5d(widths[-1], 2 * latent_channels, dtype=dtype)
        self.dtype = dtype
        self.halvings = sum(level.halves for level in self.down)

    def recompute_blocks(self):
        """Trades compute for memory in training: activations inside residual blocks are computed again."""
        recompute_blocks(self.down, self.mid)

    def frames(self, x, b):
        """(t*b, c, h, w) to (lt*b, 2*zc, lh, lw), float32."""
        x = self.conv_in(network_input(x, self.dtype), b)
        for level in self.down:
            x = level(x, b)
        x = self.mid(x, b)
        x = self.conv_out(silu(self.norm_out(x, b)), b)
        return ops.cast(x, ms.float32)
