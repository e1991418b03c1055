"""Halving and doubling of space and time between the levels of the network."""

import numpy as np

import mindspore as ms
from mindspore import nn, ops

from ..kernels.axis_swap import AxisSwap
from ..kernels.frame_tables import copies_side_by_side, doubled
from ..kernels.frame_taps import FrameTaps
from .convolution import SpatialConv, TemporalConv
from .frames import FramesCell


class SpatialDownsample(FramesCell):
    """Half the height and width: 3x3 convolution of stride 2, zeros added right and bottom.

    Args:
        channels: channels in and out.
        dtype: the type computed in; parameters stay float32.
    """

    def __init__(self, channels: int, dtype=ms.float32):
        super().__init__()
        self.conv = SpatialConv(channels, channels, 3, stride=2, padding=(0, 1, 0, 1), dtype=dtype)

    def frames(self, x, b):
        """(t*b, c, h, w) to (t*b, c, h/2, w/2)."""
        return self.conv(x)


class TemporalDownsample(FramesCell):
    """Half the frames, rounded up: kernel 3, stride 2, replicate padding by one.

    Args:
        channels: channels in and out.
        dtype: the type computed in; parameters stay float32.
    """

    def __init__(self, channels: int, dtype=ms.float32):
        super().__init__()
        self.conv = TemporalConv(channels, 3, stride=2, dtype=dtype)

    def frames(self, x, b):
        """(t*b, c, h, w) to (ceil(t/2)*b, c, h, w)."""
        return self.conv(x, b)


class SpatialUpsample(FramesCell):
    """Twice the height and width: nearest, then a 3x3 convolution.

    Computed as one transposed convolution, 4x4 of stride 2: each of its taps is the sum of those of the 3x3 kernel that meet the same
    pixel before the doubling. That is 4 products for each pixel instead of 9, and the doubled frames are never there.

    Args:
        channels: channels in and out.
        dtype: the type computed in; parameters stay float32.
    """

    def __init__(self, channels: int, dtype=ms.float32):
        super().__init__()
        self.conv = SpatialConv(channels, channels, 3, padding=1, dtype=dtype)
        self.transposed = ops.Conv2DTranspose(channels, 4, pad_mode="pad", pad=1, stride=2)
        self.by_channel_in = AxisSwap(1, channels, channels, 9)
        self.sums = ms.Tensor(np.kron(_MEETING, _MEETING).astype(np.float32))  # (9, 16)
        self.dtype = dtype

    def frames(self, x, b):
        """(t*b, c, h, w) to (t*b, c, 2*h, 2*w)."""
        n, c, h, w = x.shape
        kernel = ops.reshape(self.by_channel_in(self.conv.weight), (c * c, 9))
        # both are float32, but MindSpore's mixed precision, put around a network, casts one of them
        kernel = ops.reshape(ops.matmul(kernel, ops.cast(self.sums, kernel.dtype)), (c, c, 4, 4))
        y = self.transposed(x, ops.cast(kernel, self.dtype), (n, c, 2 * h, 2 * w))
        return self.conv.bias_add(y, ops.cast(self.conv.bias, self.dtype))


# Which of the three taps of a kernel (rows), along one axis, each of the four taps of the transposed one (columns) is the sum of: result
# 2*i sees pixel i - 1 through tap 0, i through 1 and 2; result 2*i + 1 sees i through 0 and 1, i + 1 through 2.
_MEETING = np.array([[0, 0, 1, 1], [0, 1, 1, 0], [1, 1, 0, 0]])


# Which of the three taps of a kernel over time (rows) the two of the first and the two of the second copy of a frame (columns) are sums of.
_MEETING_IN_TIME = np.array([[1, 0, 1, 0], [0, 1, 1, 0], [0, 1, 0, 1]])


class TemporalUpsample(FramesCell):
    """Twice the frames: nearest, then a convolution of 3 frames with zero padding.

    Either copy of a frame meets two different frames only, so that it takes two taps, not three. The published weights were
    trained with zeros past the ends, where the paper says replicate.

    Args:
        channels: channels in and out.
        dtype: the type computed in; parameters stay float32.
    """

    def __init__(self, channels: int, dtype=ms.float32):
        super().__init__()
        self.conv = TemporalConv(channels, 3, dtype=dtype)
        self.taps = FrameTaps(channels, taps=2, group=2, zero_row=True)
        self.by_frame = AxisSwap(channels, channels, 4, 1)
        self.by_copy = AxisSwap(1, channels, 2, 2 * channels)
        self.sums = ms.Tensor(_MEETING_IN_TIME.astype(np.float32))  # (3, 4)
        self.dtype = dtype

    def frames(self, x, b):
        """(t*b, c, h, w) to (2*t*b, c, h, w)."""
        rows, c, h, w = x.shape
        kernel = ops.reshape(self.conv.weight, (c * c, 3))
        kernel = ops.reshape(ops.matmul(kernel, ops.cast(self.sums, kernel.dtype)), (c, c, 4))
        kernel = self.by_copy(self.by_frame(kernel))  # rows by copy, columns as the frames are gathered
        take, give, pairs = doubled(rows // b, b)
        y = self.taps(x, ops.cast(ops.reshape(kernel, (2 * c, 2 * c, 1, 1)), self.dtype), take, give, pairs, b)
        y = ops.reshape(y, (2 * rows, c, h, w))
        if b > 1:
            y = ops.gather(y, copies_side_by_side(rows // b, b), 0)
        return self.conv.bias_add(y, ops.cast(self.conv.bias, self.dtype))


class Unchanged(nn.Cell):
    """Stands where a level neither halves nor doubles."""

    def construct(self, x, b):
        """Gives x back."""
        return x
