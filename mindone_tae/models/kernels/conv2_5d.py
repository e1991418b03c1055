"""Conv2.5D: a convolution inside each frame, then one over time at each pixel (Movie Gen, section 3.1.1)."""

import math

from mindspore import nn, ops

from .axis_swap import swap_axes
from .device import on_cpu
from .frame_tables import neighbours
from .frame_taps import NeighbourTaps
from .spatial import SameSizeConv, add_bias

# A pass over as many numbers takes as long as the operators that save it, and compiles faster.
_FEW_NUMBERS = 2**18


class TemporalConv(nn.Cell):
    """A convolution over time at every pixel; past the ends the first and the last frame are repeated."""

    def __init__(self):
        super().__init__()
        self.taps = NeighbourTaps()

    def construct(self, x, b, kernel, bias, stride=1):
        """Convolves.

        Args:
            x: (t*b, c, h, w).
            b: the batch size.
            kernel: (c, c, 1, k), float32, k 1 or 3.
            bias: (c,), float32.
            stride: 1 or 2 frames a step.

        Returns:
            (ceil(t/stride)*b, c, h, w) in x's type.
        """
        c, k = x.shape[1], kernel.shape[-1]
        if k == 1 or x.shape[0] == b:
            kernel = ops.reshape(_summed(kernel), (c, c, 1, 1))
            return add_bias(ops.Conv2D(c, 1)(x, ops.cast(kernel, x.dtype)), bias)
        return add_bias(self.taps(x, ops.reshape(kernel, (c, c, k)), b, stride), bias)


class Conv2_5d(nn.Cell):
    """A convolution inside each frame, then one over time; zero padding in space, replicate padding in time."""

    def __init__(self):
        super().__init__()
        self.conv2d = SameSizeConv()
        self.temporal_conv = TemporalConv()

    def construct(self, x, b, spatial, spatial_bias, temporal, temporal_bias):
        """Convolves.

        Args:
            x: (t*b, c, h, w).
            b: the batch size.
            spatial: (out_channels, c, k, k), float32, k 1 or 3.
            spatial_bias: (out_channels,), float32.
            temporal: (out_channels, out_channels, 1, k), float32.
            temporal_bias: (out_channels,), float32.

        Returns:
            (t*b, out_channels, h, w) in x's type.
        """
        out_channels, c, k, _ = spatial.shape
        # One convolution over space and time takes 27 * c products a result, two take 9 * c + 3 * out_channels.
        if k == 1 or 18 * c < 3 * out_channels:
            return self.folded(x, b, spatial, spatial_bias, temporal, temporal_bias)
        y = self.conv2d(x, spatial)
        if math.prod(y.shape) <= _FEW_NUMBERS:
            return self.temporal_conv(add_bias(y, spatial_bias), b, temporal, temporal_bias)
        # the spatial bias passed through the temporal kernel: saves a pass over the frames
        bias = temporal_bias + ops.reshape(ops.matmul(_summed(temporal), ops.reshape(spatial_bias, (-1, 1))), (-1,))
        return self.temporal_conv(y, b, temporal, bias)

    def folded(self, x, b, spatial, spatial_bias, temporal, temporal_bias):
        """Both as one convolution, whose kernel is the product of theirs."""
        (width, c, k, _), taps = spatial.shape, temporal.shape[-1]
        if k == 1 or x.shape[0] == b:
            after = _summed(temporal)
            kernel = ops.matmul(after, ops.reshape(spatial, (width, c * k * k)))
            bias = temporal_bias + ops.reshape(ops.matmul(after, ops.reshape(spatial_bias, (-1, 1))), (-1,))
            return add_bias(self.conv2d(x, ops.reshape(kernel, (width, c, k, k))), bias)
        after = ops.reshape(swap_axes(temporal, width, width, taps, 1), (width * taps, width))
        kernel = ops.matmul(after, ops.reshape(spatial, (width, c * k * k)))
        bias = temporal_bias + ops.reshape(ops.matmul(after, ops.reshape(spatial_bias, (-1, 1))), (width, taps)).sum(
            axis=1
        )
        return add_bias(self.conv2d(_between_neighbours(x, b), ops.reshape(kernel, (width, taps * c, k, k))), bias)


def _summed(kernel):
    """(c, c), the sum of the taps of (c, c, 1, k): the kernel for input that is the same in every frame, as a bias."""
    c, _, _, k = kernel.shape
    return ops.reshape(ops.matmul(ops.reshape(kernel, (c * c, k)), ops.ones((k, 1), kernel.dtype)), (c, c))


def _between_neighbours(x, b):
    """(t*b, c, h, w) to (t*b, 3*c, h, w): the frame before, the frame and the frame after, side by side."""
    rows, c, h, w = x.shape
    if on_cpu():
        forward_rows, _, _, _ = neighbours(rows // b, b)
        return ops.reshape(ops.gather(x, forward_rows, 0), (rows, 3 * c, h, w))
    return ops.cat((ops.cat((x[:b], x[:-b])), x, ops.cat((x[b:], x[-b:]))), axis=1)


temporal_conv, conv2_5d = TemporalConv(), Conv2_5d()
