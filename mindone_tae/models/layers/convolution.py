"""Conv2.5D: a spatial convolution followed by a temporal one (Movie Gen, section 3.1.1)."""

import math

import numpy as np

import mindspore as ms
from mindspore import Parameter
from mindspore.common.initializer import HeUniform, initializer

from ..kernels.conv2_5d import conv2_5d, temporal_conv
from ..kernels.operands import computed, float32
from ..kernels.spatial import conv2d
from .frames import FramesCell
from .precision import OwnPrecision
from .read_in_python import ReadInPython


def _identity_taps(channels, kernel_size):
    """A temporal kernel (c, c, 1, k) that passes the centre frame and nothing else."""
    taps = np.zeros((channels, channels, 1, kernel_size), np.float32)
    taps[np.arange(channels), np.arange(channels), 0, kernel_size // 2] = 1
    return ms.Tensor(taps)


class SpatialConv(OwnPrecision):
    """A 2D convolution over each frame.

    Args:
        in_channels: channels in.
        out_channels: channels out.
        kernel_size: side of the square kernel.
        stride: pixels a step.
        padding: zeros added, one number for all sides or (top, bottom, left, right).
        dtype: the type computed in; parameters stay float32.
    """

    def __init__(self, in_channels, out_channels, kernel_size=3, stride=1, padding=0, dtype=ms.float32):
        super().__init__()
        shape = (out_channels, in_channels, kernel_size, kernel_size)
        self.weight = Parameter(initializer(HeUniform(math.sqrt(5)), shape, ms.float32), name="weight")
        self.bias = Parameter(initializer("zeros", (out_channels,), ms.float32), name="bias")
        self.stride = stride
        self.padding = padding
        self.dtype = dtype

    def construct(self, x):
        """(n, c, h, w) to (n, out_channels, h', w')."""
        x = computed(x, self.dtype)
        return conv2d(x, float32(self.weight), float32(self.bias), self.stride, self.padding)


class TemporalConv(OwnPrecision):
    """A 1D convolution over time at every pixel; past the ends the first and the last frame are repeated.

    Args:
        channels: channels in and out.
        kernel_size: 1 or 3 frames.
        stride: 1 or 2 frames a step.
        dtype: the type computed in; parameters stay float32.

    The kernel starts as the identity, so that a new video network computes what its image network does.
    """

    def __init__(self, channels, kernel_size=3, stride=1, dtype=ms.float32):
        super().__init__()
        self.weight = Parameter(_identity_taps(channels, kernel_size), name="weight")
        self.bias = Parameter(initializer("zeros", (channels,), ms.float32), name="bias")
        self.stride = stride
        self.dtype = dtype

    def construct(self, x, b):
        """(t*b, c, h, w) to (ceil(t/stride)*b, c, h, w)."""
        x = computed(x, self.dtype)
        return temporal_conv(x, b, float32(self.weight), float32(self.bias), self.stride)


class Conv2_5d(FramesCell):
    """A 2D convolution over each frame, then a 1D one over time at each pixel.

    Args:
        in_channels: channels in.
        out_channels: channels out.
        kernel_size: 3 (zero padding in space, replicate padding in time) or 1.
        dtype: the type computed in; parameters stay float32.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3, dtype=ms.float32):
        super().__init__()
        if kernel_size not in (1, 3):
            raise ValueError(f"kernel_size is {kernel_size}; Conv2.5D has kernels of 1 and 3: use 3")
        self.conv_spat = SpatialConv(in_channels, out_channels, kernel_size, padding=kernel_size // 2, dtype=dtype)
        self.conv_temp = TemporalConv(out_channels, kernel_size, dtype=dtype)
        self.dtype = dtype

    @ReadInPython
    def has_own_layers(self):
        """Whether both convolutions are of the classes above; others, such as LoRA's, must compute themselves."""
        return type(self.conv_spat) is SpatialConv and type(self.conv_temp) is TemporalConv

    def frames(self, x, b):
        """(t*b, c, h, w) to (t*b, out_channels, h, w): `conv_temp(conv_spat(x), b)`, in fewer products and passes."""
        if not self.has_own_layers:
            return self.conv_temp(self.conv_spat(x), b)
        spatial, temporal = self.conv_spat, self.conv_temp
        return conv2_5d(
            computed(x, self.dtype),
            b,
            float32(spatial.weight),
            float32(spatial.bias),
            float32(temporal.weight),
            float32(temporal.bias),
        )
