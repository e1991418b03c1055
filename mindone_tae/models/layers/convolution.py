"""Conv2.5D: a spatial convolution followed by a temporal one (Movie Gen, section 3.1.1)."""

import math

import numpy as np

import mindspore as ms
from mindspore import Parameter, nn, ops
from mindspore.common.initializer import HeUniform, initializer

from ..kernels.axis_swap import AxisSwap
from ..kernels.frame_tables import neighbours
from ..kernels.frame_taps import FrameTaps
from ..kernels.spatial import same_size_conv
from .frames import FramesCell


def _identity_taps(channels, kernel_size):
    """A temporal kernel (c, c, 1, k) that passes the centre frame and nothing else."""
    taps = np.zeros((channels, channels, 1, kernel_size), np.float32)
    taps[np.arange(channels), np.arange(channels), 0, kernel_size // 2] = 1
    return ms.Tensor(taps)


class SpatialConv(nn.Cell):
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
        if stride == 1 and padding == kernel_size // 2:
            self.conv = same_size_conv(in_channels, out_channels, kernel_size)
        else:
            self.conv = ops.Conv2D(out_channels, kernel_size, pad_mode="pad", pad=padding, stride=stride)
        self.bias_add = ops.BiasAdd()
        self.dtype = dtype

    def construct(self, x):
        """(n, c, h, w) to (n, out_channels, h', w')."""
        return self.bias_add(self.unbiased(x, self.weight), ops.cast(self.bias, self.dtype))

    def unbiased(self, x, weight):
        """As `construct`, without the bias, and with a weight from outside."""
        return self.conv(x, ops.cast(weight, self.dtype))


class TemporalConv(nn.Cell):
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
        self.pointwise = ops.Conv2D(channels, 1)
        self.taps = FrameTaps(channels, neighbours=stride == 1)
        self.by_frame = AxisSwap(channels, channels, kernel_size, 1)
        self.bias_add = ops.BiasAdd()
        self.channels = channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.dtype = dtype

    def construct(self, x, b):
        """(t*b, c, h, w) to (ceil(t/stride)*b, c, h, w)."""
        return self.compute(x, b, self.weight, self.bias)

    def compute(self, x, b, weight, bias, spatial_bias=None):
        """As `construct`, with parameters from outside.

        Args:
            x: (t*b, c, h, w).
            b: the batch size.
            weight: (c, c, 1, kernel_size).
            bias: (c,).
            spatial_bias: (c,) to be added to x first; going through the kernel it costs no pass over x.

        Returns:
            (ceil(t/stride)*b, c, h, w).
        """
        c, t = self.channels, x.shape[0] // b
        weight = ops.cast(weight, ms.float32)  # MindSpore's mixed precision, put around a network, casts parameters and what cells are given
        if self.kernel_size == 1 or t == 1:
            # of one frame, the three taps see the same
            kernel = weight if self.kernel_size == 1 else ops.matmul(ops.reshape(weight, (c * c, 3)), ops.ones((3, 1), ms.float32))
            kernel = ops.reshape(kernel, (c, c))
            if spatial_bias is not None:
                bias = bias + ops.matmul(kernel, ops.cast(spatial_bias, ms.float32))
            y = self.pointwise(x, ops.cast(ops.reshape(kernel, (c, c, 1, 1)), self.dtype))
        else:
            kernel = ops.reshape(ops.cast(self.by_frame(weight), ms.float32), (c, 3 * c))  # columns as the frames are gathered
            if spatial_bias is not None:
                spatial_bias = ops.cast(spatial_bias, ms.float32)
                bias = bias + ops.matmul(kernel, ops.cat((spatial_bias, spatial_bias, spatial_bias)))
            take, give, pairs = neighbours(t, b, self.stride)
            y = self.taps(x, ops.cast(ops.reshape(kernel, (c, 3 * c, 1, 1)), self.dtype), take, give, pairs, b)
        return self.bias_add(y, ops.cast(bias, self.dtype))


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
        self.bias_add = ops.BiasAdd()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.dtype = dtype
        # In one convolution over space and time a result takes 27 * in products, in two 9 * in + 3 * out.
        self.folds = kernel_size == 1 or 18 * in_channels < 3 * out_channels
        self.conv = same_size_conv(kernel_size * in_channels, out_channels, kernel_size)

    def frames(self, x, b):
        """(t*b, c, h, w) to (t*b, out_channels, h, w)."""
        spatial, temporal = self.conv_spat, self.conv_temp
        return self.compute(x, b, spatial.weight, spatial.bias, temporal.weight, temporal.bias)

    def compute(self, x, b, spatial_weight, spatial_bias, temporal_weight, temporal_bias):
        """As `frames`, with the parameters of `conv_spat` and `conv_temp` from outside."""
        if self.folds:
            return self.folded(x, b, spatial_weight, spatial_bias, temporal_weight, temporal_bias)
        return self.conv_temp.compute(self.conv_spat.unbiased(x, spatial_weight), b, temporal_weight, temporal_bias, spatial_bias)

    def folded(self, x, b, spatial_weight, spatial_bias, temporal_weight, temporal_bias):
        """Both convolutions as one, whose kernel is the product of theirs."""
        width, k, t = self.out_channels, self.kernel_size, x.shape[0] // b
        taps = 1 if t == 1 else k
        after = ops.reshape(temporal_weight, (width, width, k))
        if taps > 1:
            after = ops.cast(self.conv_temp.by_frame(after), temporal_weight.dtype)  # which mixed precision may change
        elif k > 1:
            after = after.sum(axis=-1)
        after = ops.reshape(after, (width * taps, width))
        kernel = ops.matmul(after, ops.reshape(spatial_weight, (width, self.in_channels * k * k)))
        kernel = ops.cast(ops.reshape(kernel, (width, taps * self.in_channels, k, k)), self.dtype)
        bias = temporal_bias + ops.reshape(ops.matmul(after, spatial_bias), (width, taps)).sum(axis=1)
        if taps > 1:
            rows, c, h, w = x.shape
            take, _, _ = neighbours(t, b, 1)
            x = ops.reshape(ops.gather(x, take, 0), (rows, taps * c, h, w))
        return self.bias_add(self.conv(x, kernel), ops.cast(bias, self.dtype))
