"""Nearest upsampling and the convolution after it as one operation: the doubled frames are never stored."""

import numpy as np

import mindspore as ms
from mindspore import nn, ops
from mindspore.ops import constexpr

from .axis_swap import swap_axes
from .device import as_products
from .frame_taps import doubled_taps
from .products import doubled, of_doubled
from .spatial import UnfoldedGradientConv, add_bias

# Along one axis, as sums of the kernel's three taps (rows): the two taps of a first copy, on the pixel or frame before
# and on its own, and the two of a second, on its own and on the one after.
_OF_COPIES = np.array([[1, 0, 1, 0], [0, 1, 1, 0], [0, 1, 0, 1]], np.float32)
# The same as the four taps of a transposed convolution of stride 2.
_MEETING = _OF_COPIES[:, [3, 1, 2, 0]]


def spatial_upsample(x, kernel, bias):
    """Twice the height and width, and a 3x3 convolution.

    Computed as one transposed 4x4 convolution of stride 2: each of its taps is the sum of those taps of the 3x3 kernel
    that read the same pixel before the doubling. That is 4 products for each pixel instead of 9.

    Args:
        x: (n, c, h, w).
        kernel: (c, c, 3, 3), float32.
        bias: (c,), float32.

    Returns:
        (n, c, 2*h, 2*w) in x's type.
    """
    n, c, h, w = x.shape
    if as_products():
        return add_bias(_doubled_conv(x, ops.cast(kernel, x.dtype)), bias)
    kernel = ops.matmul(ops.reshape(swap_axes(kernel, 1, c, c, 9), (c * c, 9)), _meeting())
    kernel = ops.cast(ops.reshape(kernel, (c, c, 4, 4)), x.dtype)
    transposed = ops.Conv2DTranspose(c, 4, pad_mode="pad", pad=1, stride=2)
    return add_bias(transposed(x, kernel, (n, c, 2 * h, 2 * w)), bias)


def temporal_upsample(x, b, kernel, bias):
    """Twice the frames, and a convolution of 3 frames with zeros past the ends.

    Either copy of a frame reads two different frames only, so two taps are enough.

    Args:
        x: (t*b, c, h, w).
        b: the batch size.
        kernel: (c, c, 1, 3), float32.
        bias: (c,), float32.

    Returns:
        (2*t*b, c, h, w) in x's type.
    """
    c = x.shape[1]
    kernel = ops.reshape(ops.matmul(ops.reshape(kernel, (c * c, 3)), _of_copies()), (c, c, 4))
    return add_bias(doubled_taps(x, kernel, b), bias)


class _DoubledConv(nn.Cell):
    """A 3x3 convolution of doubled pixels as products of the pixels; x and the kernel are of one type."""

    def __init__(self):
        super().__init__()
        self.after_doubling = UnfoldedGradientConv()

    def construct(self, x, kernel):
        """(n, c, h, w) and (out_channels, c, 3, 3) to (n, out_channels, 2*h, 2*w)."""
        width, c = kernel.shape[:2]
        taps = ops.cast(_of_copies_both_ways(), kernel.dtype)
        return of_doubled(x, ops.reshape(ops.matmul(ops.reshape(kernel, (width * c, 9)), taps), (width, c, 4, 4)))

    def bprop(self, x, kernel, out, dout):
        n, c, h, w = x.shape
        conv, twice = self.after_doubling, doubled(x)
        of_x = ops.reshape(conv.gradient_of_pixels(twice, kernel, dout), (n, c, h, 2, w, 2)).sum(axis=(3, 5))
        return of_x, conv.gradient_of_kernel(twice, kernel.shape, dout)


_doubled_conv = _DoubledConv()


@constexpr
def _meeting():
    return ms.Tensor(np.kron(_MEETING, _MEETING))  # (9, 16)


@constexpr
def _of_copies():
    return ms.Tensor(_OF_COPIES)  # (3, 4)


@constexpr
def _of_copies_both_ways():
    return ms.Tensor(np.kron(_OF_COPIES, _OF_COPIES))  # (9, 16)
