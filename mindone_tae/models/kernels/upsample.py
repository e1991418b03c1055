"""Nearest upsampling and the convolution after it as one operation: the doubled frames are never stored."""

import numpy as np

import mindspore as ms
from mindspore import ops
from mindspore.ops import constexpr

from .axis_swap import swap_axes
from .device import as_products
from .frame_taps import doubled_taps
from .products import doubled
from .spatial import add_bias, conv2d

# Along one axis: each of the four taps of the transposed kernel (columns) is a sum of the kernel's three taps (rows).
# Result 2*i reads pixel i - 1 through tap 0 and i through 1 and 2; result 2*i + 1 reads i through 0 and 1, i + 1
# through 2.
_MEETING = np.array([[0, 0, 1, 1], [0, 1, 1, 0], [1, 1, 0, 0]], np.float32)
# Over time: the two taps of a frame's first copy and the two of its second (columns) as sums of three taps (rows).
_MEETING_IN_TIME = np.array([[1, 0, 1, 0], [0, 1, 1, 0], [0, 1, 0, 1]], np.float32)


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
        return conv2d(doubled(x), kernel, bias, padding=1)
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
    kernel = ops.reshape(ops.matmul(ops.reshape(kernel, (c * c, 3)), _meeting_in_time()), (c, c, 4))
    return add_bias(doubled_taps(x, kernel, b), bias)


@constexpr
def _meeting():
    return ms.Tensor(np.kron(_MEETING, _MEETING))  # (9, 16)


@constexpr
def _meeting_in_time():
    return ms.Tensor(_MEETING_IN_TIME)  # (3, 4)
