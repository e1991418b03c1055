"""The middle of the network, between the last level of the encoder or before the first of the decoder."""

from __future__ import annotations

import mindspore as ms
from mindspore import nn

from .attention import SpatialAttention, TemporalAttention
from .frames import FramesCell
from .residual import ResnetBlock


class MidBlock(FramesCell):
    """Residual block, spatial attention, temporal attention, residual block.

    Args:
        channels: channels in and out.
        norm_num_groups: groups of every norm.
        dropout: probability of dropping an element in training.
        dtype: the type computed in; norms and softmax are float32.
    """

    def __init__(self, channels: int, norm_num_groups: int = 32, dropout: float = 0.0, dtype=ms.float32):
        super().__init__()
        self.block_1 = ResnetBlock(channels, channels, norm_num_groups, dropout, dtype)
        self.attn_1 = nn.CellList(
            [SpatialAttention(channels, norm_num_groups, dtype), TemporalAttention(channels, norm_num_groups, dtype)]
        )
        self.block_2 = ResnetBlock(channels, channels, norm_num_groups, dropout, dtype)

    def frames(self, x, b):
        """(t*b, c, h, w) to (t*b, c, h, w)."""
        x = self.block_1(x, b)
        x = self.attn_1[0](x, b)
        x = self.attn_1[1](x, b)
        return self.block_2(x, b)
