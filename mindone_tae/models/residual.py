"""The residual block."""

import mindspore as ms
from mindspore import nn, ops

from .convolution import Conv2_5d
from .frames import FramesCell
from .normalization import GroupNorm


class ResnetBlock(FramesCell):
    """Norm, SiLU, Conv2.5D, norm, SiLU, dropout, Conv2.5D, and the residual.

    Args:
        in_channels: channels in.
        out_channels: channels out; where they differ the residual passes a 1x1 Conv2.5D.
        norm_num_groups: groups of both norms.
        dropout: probability of dropping an element in training.
        dtype: the type computed in; norms are float32.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        norm_num_groups: int = 32,
        dropout: float = 0.0,
        dtype=ms.float32,
    ):
        super().__init__()
        self.norm1 = GroupNorm(in_channels, norm_num_groups, dtype=dtype)
        self.conv1 = Conv2_5d(in_channels, out_channels, dtype=dtype)
        self.norm2 = GroupNorm(out_channels, norm_num_groups, dtype=dtype)
        self.dropout = nn.Dropout(p=dropout)
        self.conv2 = Conv2_5d(out_channels, out_channels, dtype=dtype)
        self.has_shortcut = in_channels != out_channels
        if self.has_shortcut:
            self.nin_shortcut = Conv2_5d(in_channels, out_channels, kernel_size=1, dtype=dtype)

    def frames(self, x, b):
        """(t*b, c, h, w) to (t*b, out_channels, h, w)."""
        y = self.conv1(ops.silu(self.norm1(x, b)), b)
        y = self.conv2(self.dropout(ops.silu(self.norm2(y, b))), b)
        if self.has_shortcut:
            x = self.nin_shortcut(x, b)
        return x + y
