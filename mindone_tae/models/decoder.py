"""Latents to pixels."""

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
from .layers.resampling import SpatialUpsample, TemporalUpsample, Unchanged
from .layers.residual import ResnetBlock


class UpLevel(FramesCell):
    """The residual blocks of one level, then, unless it is the lowest, twice the space and twice the time."""

    def __init__(self, in_channels, out_channels, layers, last, norm_num_groups, dropout, dtype):
        super().__init__()
        widths = [in_channels] + [out_channels] * layers
        self.block = nn.CellList(
            [ResnetBlock(i, o, norm_num_groups, dropout, dtype) for i, o in zip(widths[:-1], widths[1:])]
        )
        self.upsample_spat = Unchanged() if last else SpatialUpsample(out_channels, dtype)
        self.upsample_temp = Unchanged() if last else TemporalUpsample(out_channels, dtype)

    def frames(self, x, b):
        """(t*b, c, h, w) to (2*t*b, out_channels, 2*h, 2*w); the last level keeps t, h and w."""
        for block in self.block:
            x = block(x, b)
        return self.upsample_temp(self.upsample_spat(x, b), b)


class Decoder(FramesCell):
    """The decoder: the middle, one level for each width from the deepest up, and the pixels.

    Args:
        out_channels: pixel channels.
        latent_channels: channels of the latent.
        block_out_channels: width of each level, the shallowest first, as the encoder has them.
        layers_per_block: residual blocks a level in the encoder; the decoder has one more.
        norm_num_groups: groups of every norm.
        dropout: probability of dropping an element in training.
        dtype: the type computed in; norms and softmax are float32.
    """

    def __init__(
        self,
        out_channels: int = 3,
        latent_channels: int = 16,
        block_out_channels: tuple[int, ...] = (128, 256, 512, 512),
        layers_per_block: int = 2,
        norm_num_groups: int = 32,
        dropout: float = 0.0,
        dtype=ms.float32,
    ):
        ends = {"out_channels": out_channels, "latent_channels": latent_channels}
        check_network(ends, block_out_channels, layers_per_block, norm_num_groups)
        super().__init__()
        widths = (*block_out_channels, block_out_channels[-1])
        self.conv_in = Conv2_5d(latent_channels, widths[-1], dtype=dtype)
        self.mid = MidBlock(widths[-1], norm_num_groups, dropout, dtype)
        self.up = nn.CellList(
            [
                UpLevel(widths[i + 1], widths[i], layers_per_block + 1, i == 0, norm_num_groups, dropout, dtype)
                for i in range(len(block_out_channels))
            ]
        )
        self.norm_out = GroupNorm(widths[0], norm_num_groups, dtype=dtype)
        self.conv_out = Conv2_5d(widths[0], out_channels, dtype=dtype)
        self.dtype = dtype

    def recompute_blocks(self):
        """Trades compute for memory in training: activations inside residual blocks are computed again."""
        recompute_blocks(self.up, self.mid)

    def frames(self, z, b):
        """(lt*b, zc, lh, lw) to (t*b, out_channels, h, w), float32."""
        x = self.mid(self.conv_in(network_input(z, self.dtype), b), b)
        # by index: a slice would be a new CellList, which renames the parameters in it
        for i in range(len(self.up) - 1, -1, -1):
            x = self.up[i](x, b)
        x = self.conv_out(silu(self.norm_out(x, b)), b)
        return ops.cast(x, ms.float32)
