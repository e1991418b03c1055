"""Convolutions inside a frame.

On a CPU the native gradients of a 3x3 convolution run at half to three quarters of the forward rate. Here the gradient
of the pixels is a convolution with the rotated kernel, and that of the kernel one matrix product with unfolded pixels.
Where few channels come out, unfolding the pixels takes longer than their products, and the result of each tap is
shifted instead: from 128 channels to 3, as at the decoder's end, 18 ms instead of 38, and 53 instead of 114 with the
gradients (8 frames of 64x64, one core).
"""

import math

import numpy as np

import mindspore as ms
from mindspore import nn, ops
from mindspore.ops import constexpr
from mindspore.ops.operations import Conv2DBackpropInput

from .axis_swap import gathered
from .device import as_products, on_cpu
from .products import SameSize, strided
from .winograd import down_rows, faster_down_rows

# Above this many pixels a channel, work on pixels costs more than reordering the kernel's taps.
MANY_PIXELS = 16
# Of an input of more numbers than this, frames are convolved in up to four parts: what Winograd's algorithm holds
# meanwhile is four times the input. More parts would take longer to compile than they save.
_AT_ONCE, _PARTS = 2**24, 4


class SameSizeConv(nn.Cell):
    """A convolution of stride 1, zero padded to keep its size."""

    def __init__(self):
        super().__init__()
        self.unfolded = UnfoldedGradientConv()
        self.moved = _MovedResultsConv()

    def construct(self, x, kernel):
        """Convolves.

        Args:
            x: (n, c, h, w).
            kernel: (out_channels, c, k, k) with odd k, float32.

        Returns:
            (n, out_channels, h, w) in x's type.
        """
        out_channels, c, _, k = kernel.shape
        kernel = ops.cast(kernel, x.dtype)
        if k == 1 or not on_cpu():
            return ops.Conv2D(out_channels, k, pad_mode="pad", pad=k // 2)(x, kernel)
        if k * k * out_channels <= c and not as_products():
            return self.moved(x, kernel)
        return self.unfolded(x, kernel)


def conv2d(x, kernel, bias, stride=1, padding=0):
    """A convolution over each frame.

    Args:
        x: (n, c, h, w).
        kernel: (out_channels, c, k, k), float32.
        bias: (out_channels,), float32.
        stride: pixels a step.
        padding: zeros added, one number for all sides or (top, bottom, left, right).

    Returns:
        (n, out_channels, h', w') in x's type.
    """
    out_channels, _, _, k = kernel.shape
    if stride == 1 and padding == k // 2:
        return add_bias(_same_size_conv(x, kernel), bias)
    if k > 1 and as_products():
        return add_bias(strided(x, ops.cast(kernel, x.dtype), stride, padding), bias)
    conv = ops.Conv2D(out_channels, k, pad_mode="pad", pad=padding, stride=stride)
    return add_bias(conv(x, ops.cast(kernel, x.dtype)), bias)


def add_bias(x, bias):
    """x (n, c, h, w) plus bias (c,)."""
    return ops.BiasAdd()(x, ops.cast(bias, x.dtype))


class UnfoldedGradientConv(SameSize, nn.Cell):
    """`SameSizeConv` whose gradients are a convolution and a matrix product."""

    def construct(self, x, kernel):
        return self.convolved(x, kernel)

    def bprop(self, x, kernel, out, dout):
        return self.gradient_of_pixels(x, kernel, dout), self.gradient_of_kernel(x, kernel.shape, dout)

    def convolved(self, x, kernel):
        if as_products():
            return self.same_size(x, kernel)
        n, frames = x.shape[0], _frames_at_once(x.shape)
        if n == frames:
            return self.convolved_at_once(x, kernel)
        part = self.convolved_at_once(x[:frames], kernel)
        parts = (part,)
        for start in range(frames, n, frames):
            # one after another, so that one part's intermediate results are held at a time
            part = self.convolved_at_once(ops.depend(x[start : start + frames], part), kernel)
            parts = parts + (part,)
        return ops.cat(parts)

    def convolved_at_once(self, x, kernel):
        width, k = kernel.shape[0], kernel.shape[-1]
        if k == 3 and faster_down_rows(x.shape, width, x.dtype):
            return down_rows(x, kernel)
        return ops.Conv2D(width, k, pad_mode="pad", pad=k // 2)(x, kernel)

    def gradient_of_pixels(self, x, kernel, dout):
        n, c, h, w = x.shape
        width, k = kernel.shape[0], kernel.shape[-1]
        kernel = ops.depend(kernel, dout)  # turned when the gradient arrives, not kept turned from the forward pass on
        if n * h * w < MANY_PIXELS * c and not as_products():
            padding = (k // 2, k // 2, k // 2, k // 2)
            return Conv2DBackpropInput(width, k, pad_mode="pad", pad=padding, pad_list=padding)(dout, kernel, x.shape)
        turned = ops.MatMul()(ops.reshape(kernel, (width * c, k * k)), ops.cast(_backwards(k * k), kernel.dtype))
        return self.convolved(dout, ops.reshape(gathered(turned, 1, width, c, k * k), (c, width, k, k)))

    def gradient_of_kernel(self, x, shape, dout):
        n, c, h, w = x.shape
        width, k = shape[0], shape[-1]
        products = ops.BatchMatMul(transpose_b=True)
        x = ops.depend(x, dout)  # unfolded when the gradient arrives, not kept from the forward pass
        if n * h * w < MANY_PIXELS * c:
            seen = ops.reshape(ops.Im2Col(ksizes=k, strides=1, dilations=1, pads=k // 2)(x), (n, c * k * k, h * w))
            return ops.reshape(products(ops.reshape(dout, (n, width, h * w)), seen).sum(axis=0), shape)
        # Pixels shifted along rows times gradients shifted along columns: k copies of either instead of k*k of the
        # pixels. A shift of the gradient by some rows belongs to the tap that many rows the other way.
        unfold_columns = ops.Im2Col(ksizes=(1, k), strides=1, dilations=1, pads=(0, k // 2))
        unfold_rows = ops.Im2Col(ksizes=(k, 1), strides=1, dilations=1, pads=(k // 2, 0))
        seen = ops.reshape(unfold_columns(x), (n, c * k, h * w))
        given = ops.reshape(unfold_rows(dout), (n, width * k, h * w))
        found = ops.reshape(products(given, seen).sum(axis=0), (width, k * c, k))
        return ops.reshape(ops.Gather()(found, _rows_backwards(c, k), 1), shape)


class _MovedResultsConv(nn.Cell):
    """`SameSizeConv` as a pointwise convolution to the result of every tap, which are then shifted and added."""

    def construct(self, x, kernel):
        width, k = kernel.shape[0], kernel.shape[-1]
        by_tap = self.by_tap(kernel)
        results = ops.Conv2D(width * k * k, 1)(x, ops.reshape(by_tap, (*by_tap.shape, 1, 1)))
        move = ops.Conv2D(width, k, pad_mode="pad", pad=k // 2)
        return move(results, ops.cast(_moves(width, k), x.dtype))

    def bprop(self, x, kernel, out, dout):
        n, c, h, w = x.shape
        width, k = kernel.shape[0], kernel.shape[-1]
        unfold = ops.Im2Col(ksizes=k, strides=1, dilations=1, pads=k // 2)
        given = ops.reshape(unfold(dout), (n, width * k * k, h * w))
        of_x = ops.matmul(ops.transpose(self.by_tap(ops.depend(kernel, dout)), (1, 0)), given)
        products = ops.BatchMatMul(transpose_b=True)(given, ops.reshape(x, (n, c, h * w))).sum(axis=0)
        products = ops.transpose(ops.reshape(products, (width, k * k, c)), (0, 2, 1))
        of_kernel = ops.MatMul()(ops.reshape(products, (width * c, k * k)), ops.cast(_backwards(k * k), products.dtype))
        return ops.reshape(of_x, x.shape), ops.reshape(of_kernel, kernel.shape)

    def by_tap(self, kernel):
        """(out_channels, c, k, k) to (out_channels*k*k, c), the last tap first: the order gradients are unfolded in."""
        width, c, _, k = kernel.shape
        turned = ops.MatMul()(ops.reshape(kernel, (width * c, k * k)), ops.cast(_backwards(k * k), kernel.dtype))
        return ops.reshape(ops.transpose(ops.reshape(turned, (width, c, k * k)), (0, 2, 1)), (width * k * k, c))


_same_size_conv = SameSizeConv()


@constexpr(reuse_result=False)
def _frames_at_once(shape):
    """How many frames of (n, c, h, w) are convolved at once."""
    return math.ceil(shape[0] / min(math.ceil(math.prod(shape) / _AT_ONCE), _PARTS))


@constexpr
def _moves(width, k):
    """The kernel, (width, width*k*k, k, k), that shifts and adds the results of all taps, the last tap first."""
    backwards = np.eye(k * k, dtype=np.float32)[::-1]
    moves = np.einsum("op,mn->opmn", np.eye(width, dtype=np.float32), backwards)
    return ms.Tensor(moves.reshape(width, width * k * k, k, k))


@constexpr
def _backwards(size):
    """The matrix that, multiplied from the right, reverses the order of columns."""
    return ms.Tensor(np.eye(size, dtype=np.float32)[::-1].copy())


@constexpr
def _rows_backwards(channels, k):
    """Indices, int32, that bring runs from the order (k, channels) into (channels, k) with k reversed."""
    return ms.Tensor(np.arange(k * channels).reshape(k, channels)[::-1].T.ravel().astype(np.int32))
