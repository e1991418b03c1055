"""The residual block."""

import mindspore as ms
from mindspore import nn, ops

from ..kernels.recompute import RecomputedBranch
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
        self.dropout_probability = dropout
        self.conv2 = Conv2_5d(out_channels, out_channels, dtype=dtype)
        self.has_shortcut = in_channels != out_channels
        if self.has_shortcut:
            self.nin_shortcut = Conv2_5d(in_channels, out_channels, kernel_size=1, dtype=dtype)
        self.run_branch = self.branch

    def frames(self, x, b):
        """(t*b, c, h, w) to (t*b, out_channels, h, w)."""
        n1, s1, t1 = self.norm1, self.conv1.conv_spat, self.conv1.conv_temp
        n2, s2, t2 = self.norm2, self.conv2.conv_spat, self.conv2.conv_temp
        first = (n1.gamma, n1.beta, s1.weight, s1.bias, t1.weight, t1.bias)
        second = (n2.gamma, n2.beta, s2.weight, s2.bias, t2.weight, t2.bias)
        y = self.run_branch(x, b, *first, *second)
        if self.has_shortcut:
            x = self.nin_shortcut(x, b)
        return x + y

    def branch(self, x, b, gamma1, beta1, spatial1, spatial_bias1, temporal1, temporal_bias1, gamma2, beta2, spatial2, spatial_bias2, temporal2, temporal_bias2):
        """What is added to the residual: (t*b, out_channels, h, w), with the parameters of norms and convolutions in the order of use."""
        y = ops.silu(self.norm1.compute(x, b, gamma1, beta1))
        y = self.conv1.compute(y, b, spatial1, spatial_bias1, temporal1, temporal_bias1)
        y = self.dropout(ops.silu(self.norm2.compute(y, b, gamma2, beta2)))
        return self.conv2.compute(y, b, spatial2, spatial_bias2, temporal2, temporal_bias2)

    def recompute(self, **options):
        """Has the backward pass compute the branch again, in either mode, instead of keeping its activations.

        Raises:
            ValueError: with dropout, which would drop other elements the second time.
        """
        if self.dropout_probability:
            raise ValueError(
                f"dropout is {self.dropout_probability}; a residual block computed again in the backward pass would drop other elements than "
                "in the forward pass: use dropout 0, or use_recompute false"
            )
        self.run_branch = RecomputedBranch(self.branch)
