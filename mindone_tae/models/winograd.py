"""The 3x3 convolution with half the products, for a CPU: Winograd's minimal filtering F(4, 3) down the rows.

Four rows of results are sums of six products of combined rows of pixels with combined rows of the kernel, where the definition
takes twelve products of rows (Winograd, 1980; Lavin and Gray, 2015, whose numbers these are). Combining moves memory, so that it
is worth its while only where many channels meet at many pixels. In float32 the results are the definition's but for rounding, some 1e-5 of
their spread.
"""

import numpy as np

import mindspore as ms
from mindspore import nn, ops

from .axis_swap import swapped

_ROWS = 4  # of results at a time
# By product, of six rows of pixels, from the one above the first result's to the one below the last's; by product, of the kernel's three; by
# result, of the six products.
_OF_PIXELS = [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0], [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]]
_OF_KERNEL = [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6], [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]]
_OF_RESULTS = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
_PRODUCTS = 6
# What is saved grows with in * out, what is moved with in + out: below 128 and 128 channels they are about equal.
_CHANNELS = 64
# Below this many pixels the kernel takes longer to combine than its products are shortened.
_PIXELS = 2048


def pays(in_channels, out_channels):
    """Whether a convolution has channels enough for WinogradConv to be faster than the definition, given pixels enough."""
    return in_channels * out_channels >= _CHANNELS * (in_channels + out_channels)


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
        self.combine = ops.Conv2D(_PRODUCTS, (_PRODUCTS, 1), pad_mode="pad", pad=(1, 1, 0, 0), stride=(_ROWS, 1))
        self.multiply = ops.Conv2D(_PRODUCTS * out_channels, (1, 3), pad_mode="pad", pad=(0, 0, 1, 1), group=_PRODUCTS)
        self.add_up = ops.Conv2D(_ROWS, 1)
        self.of_pixels = ms.Tensor(np.float32(_OF_PIXELS).reshape(_PRODUCTS, 1, _PRODUCTS, 1))
        self.of_kernel = ms.Tensor(np.float32(_OF_KERNEL))
        self.of_results = ms.Tensor(np.float32(_OF_RESULTS).reshape(_ROWS, _PRODUCTS, 1, 1))

    def construct(self, x, kernel):
        """(n, c, h, w) and (out_channels, c, 3, 3) to (n, out_channels, h, w)."""
        n, c, h, w = x.shape
        if x.dtype != ms.float32 or c != self.in_channels or h % _ROWS or n * h * w < _PIXELS:
            return self.direct(x, kernel)
        width, tiles = self.out_channels, h // _ROWS
        # orders change by gather: MindSpore's transpose keeps twice its operand's memory ever after
        kernel = ops.reshape(swapped(kernel, 1, width * c, 3, 3), (3, width * c * 3))
        kernel = ops.reshape(ops.matmul(self.of_kernel, kernel), (_PRODUCTS * width, c, 1, 3))
        x = self.combine(ops.reshape(x, (n * c, 1, h, w)), self.of_pixels)
        x = ops.reshape(swapped(x, n, c, _PRODUCTS, tiles * w), (n, _PRODUCTS * c, tiles, w))
        x = self.add_up(ops.reshape(self.multiply(x, kernel), (n, _PRODUCTS, width * tiles, w)), self.of_results)
        return ops.reshape(swapped(x, n, _ROWS, width * tiles, w), (n, width, h, w))
