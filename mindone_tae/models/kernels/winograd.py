"""Convolutions of three taps with half the products, for a CPU: Winograd's minimal filtering F(4, 3), down a frame's rows and along the frames.

Four rows of results are sums of six products of combined rows of pixels with combined rows of the kernel, where the definition
takes twelve products of rows (Winograd, 1980; Lavin and Gray, 2015, whose numbers these are); and so do four frames. Combining moves
memory, so that it is worth its while only where many channels meet at many pixels. In float32 the results are the definition's but for
rounding, some 1e-5 of their spread.
"""

import numpy as np

import mindspore as ms
from mindspore import nn, ops
from mindspore.ops import constexpr

from .axis_swap import swapped

_RESULTS = 4  # rows or frames of results at a time
# By product, of six rows of pixels (or frames), from the one before the first result's to the one after the last's; by product, of the
# kernel's three; by result, of the six products.
_OF_PIXELS = [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0], [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]]
_OF_KERNEL = [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6], [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]]
_OF_RESULTS = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
_PRODUCTS = 6
# What is saved grows with in * out, what is moved with in + out: below 128 and 128 channels they are about equal.
_CHANNELS = 64
# Below this many pixels the kernel takes longer to combine than its products are shortened.
_PIXELS = 2048
# Combining takes 3 products a frame for each result, and saves 1.5 a channel.
_FRAMES = 4


def pays(in_channels, out_channels):
    """Whether a convolution has channels enough to be faster so than by the definition, given pixels enough."""
    return in_channels * out_channels >= _CHANNELS * (in_channels + out_channels)


class CombinedKernel(nn.Cell):
    """What the combined pixels meet, (6*out_channels, in_channels, 1, width).

    Args:
        in_channels, out_channels: of the convolution.
        width: of the kernel across its three taps.
    """

    def __init__(self, in_channels, out_channels, width):
        super().__init__()
        self.of_kernel = ms.Tensor(np.broadcast_to(np.float32(_OF_KERNEL), (out_channels, _PRODUCTS, 3)).copy())
        self.combine = ops.BatchMatMul()
        self.sizes = (in_channels, out_channels, width)

    def construct(self, kernel):
        """Of (out_channels, 3, in_channels, width), of any shape."""
        c, out_channels, width = self.sizes
        kernel = self.combine(self.of_kernel, ops.reshape(kernel, (out_channels, 3, c * width)))
        return ops.reshape(swapped(kernel, 1, out_channels, _PRODUCTS, c * width), (_PRODUCTS * out_channels, c, 1, width))


class WinogradConv(nn.Cell):
    """A 3x3 convolution of stride 1, zero padded to keep its size; by the definition where pixels are few, rows do not come in fours, or not in float32.

    Args:
        in_channels: channels in, as a rule; another number works, by the definition.
        out_channels: channels out.
    """

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.direct = ops.Conv2D(out_channels, 3, pad_mode="pad", pad=1)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.combine_kernel = CombinedKernel(in_channels, out_channels, 3)
        self.combine = ops.Conv2D(_PRODUCTS, (_PRODUCTS, 1), pad_mode="pad", pad=(1, 1, 0, 0), stride=(_RESULTS, 1))
        self.multiply = ops.Conv2D(_PRODUCTS * out_channels, (1, 3), pad_mode="pad", pad=(0, 0, 1, 1), group=_PRODUCTS)
        self.add_up = ops.Conv2D(_RESULTS, 1)
        self.of_pixels = ms.Tensor(np.float32(_OF_PIXELS).reshape(_PRODUCTS, 1, _PRODUCTS, 1))
        self.of_results = ms.Tensor(np.float32(_OF_RESULTS).reshape(_RESULTS, _PRODUCTS, 1, 1))

    def construct(self, x, kernel):
        """(n, c, h, w) and (out_channels, c, 3, 3) to (n, out_channels, h, w)."""
        n, c, h, w = x.shape
        if x.dtype != ms.float32 or c != self.in_channels or h % _RESULTS or n * h * w < _PIXELS:
            return self.direct(x, kernel)
        width, tiles = self.out_channels, h // _RESULTS
        kernel = self.combine_kernel(swapped(kernel, width, c, 3, 3))
        x = self.combine(ops.reshape(x, (n * c, 1, h, w)), self.of_pixels)
        x = ops.reshape(swapped(x, n, c, _PRODUCTS, tiles * w), (n, _PRODUCTS * c, tiles, w))
        x = self.add_up(ops.reshape(self.multiply(x, kernel), (n, _PRODUCTS, width * tiles, w)), self.of_results)
        return ops.reshape(swapped(x, n, _RESULTS, width * tiles, w), (n, width, h, w))


class WinogradTaps(nn.Cell):
    """A pointwise convolution of each frame with the one before and the one after, the ends repeated.

    By the definition where frames do not come in fours or are many beside the channels, which makes combining them costly, pixels are few,
    or not in float32.

    Args:
        channels: channels in and out.
        direct: the definition, called as this is.
    """

    def __init__(self, channels, direct):
        super().__init__()
        self.direct = direct
        self.combine = ops.MatMul()
        self.combine_kernel = CombinedKernel(channels, channels, 1)
        self.multiply = ops.Conv2D(_PRODUCTS * channels, 1, group=_PRODUCTS)

    def construct(self, x, kernel, take, b):
        """(t*b, c, h, w) and (c, 3*c, 1, 1), the tap before the channel, to (t*b, c, h, w); `take` as for `direct`."""
        rows, c, h, w = x.shape
        if x.dtype != ms.float32 or rows % (_RESULTS * b) or _FRAMES * rows > c or rows * h * w < _PIXELS:
            return self.direct(x, kernel, take, b)
        products = rows // _RESULTS
        kernel = self.combine_kernel(kernel)
        of_frames, of_products = _along_frames(rows // b, b)
        x = self.combine(of_frames, ops.reshape(x, (rows, c * h * w)))
        x = self.multiply(ops.reshape(x, (products, _PRODUCTS * c, h, w)), kernel)
        x = self.combine(of_products, ops.reshape(x, (products * _PRODUCTS, c * h * w)))
        return ops.reshape(x, (rows, c, h, w))


@constexpr
def _along_frames(t, b):
    """What frames (t, b) are combined by, (t/4*b*6, t*b), and what the products are, (t*b, t/4*b*6)."""
    fours = t // _RESULTS
    of_frames, of_products = np.zeros((fours, _PRODUCTS, t), np.float32), np.zeros((t, fours, _PRODUCTS), np.float32)
    for i in range(fours):
        for j, column in enumerate(np.float32(_OF_PIXELS).T):
            of_frames[i, :, min(max(_RESULTS * i - 1 + j, 0), t - 1)] += column
        of_products[_RESULTS * i : _RESULTS * (i + 1), i] = _OF_RESULTS
    each = np.eye(b, dtype=np.float32)
    of_frames, of_products = np.einsum("ipt,bd->ibptd", of_frames, each), np.einsum("tip,bd->tbidp", of_products, each)
    return ms.Tensor(of_frames.reshape(-1, t * b)), ms.Tensor(of_products.reshape(t * b, -1))
