"""The residual block."""

import mindspore as ms
from mindspore import nn

from ..kernels.activation import silu
from ..kernels.recompute import parameters_of, recompute
from .convolution import Conv2_5d
from .frames import FramesCell
from .normalization import GroupNorm
from .read_in_python import ReadInPython


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
        self.norm_num_groups = norm_num_groups
        self.dtype = dtype

    def frames(self, x, b):
        """(t*b, c, h, w) to (t*b, out_channels, h, w)."""
        y = self.branch(x, b)
        return self.shortcut(x, b) + y

    def branch(self, x, b):
        """What is added to the residual: (t*b, c, h, w) to (t*b, out_channels, h, w)."""
        y = self.conv1(silu(self.norm1(x, b)), b)
        return self.conv2(self.dropout(silu(self.norm2(y, b))), b)

    def shortcut(self, x, b):
        """The residual, with out_channels channels."""
        return self.nin_shortcut(x, b) if self.has_shortcut else x

    @ReadInPython
    def recomputed_parameters(self):
        """The branch's twelve parameters; () where a layer is of another class than here and must compute itself."""
        return parameters_of(self, GroupNorm, Conv2_5d)

    def recompute(self, **options):
        """Makes the backward pass compute the branch again, in either mode, instead of keeping its activations.

        A block in which a layer was replaced by one of another class, as by LoRA, keeps its activations.

        Raises:
            ValueError: with dropout, which would drop other elements the second time.
        """
        recompute(self)
