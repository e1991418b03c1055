"""The 3x3 convolution inside a frame, in the form that suits the device.

On a CPU the native gradients of a 3x3 convolution run at half to three quarters of its own rate; a convolution with the kernel turned
round gives the same for the pixels, and unfolded pixels and one matrix product for the kernel. Where few channels come out, unfolding the
pixels takes longer than the products they meet, and the results of the taps are moved instead. An NPU has kernels of its own and
keeps those.
"""

import numpy as np

import mindspore as ms
from mindspore import nn, ops
from mindspore.ops import constexpr
from mindspore.ops.operations import Conv2DBackpropInput

from .axis_swap import swapped
from .winograd import WinogradConv, pays

# Above this many pixels for each channel, work on pixels costs more than putting the kernel's taps in another order.
MANY_PIXELS = 16


def same_size_conv(in_channels, out_channels, kernel_size):
    """A convolution of stride 1 that keeps height and width by zero padding.

    Args:
        in_channels: channels in, as a rule; another number works and is slower to train.
        out_channels: channels out.
        kernel_size: side of the square kernel, odd.

    Returns:
        A callable of x (n, c, h, w) and the kernel (out_channels, c, kernel_size, kernel_size).
    """
    if kernel_size > 1 and ms.get_context("device_target") == "CPU":
        few = kernel_size**2 * out_channels <= in_channels
        return MovedResultsConv(out_channels, kernel_size) if few else UnfoldedGradientConv(in_channels, out_channels, kernel_size)
    return ops.Conv2D(out_channels, kernel_size, pad_mode="pad", pad=kernel_size // 2)


def _conv(in_channels, out_channels, kernel_size):
    if kernel_size == 3 and pays(in_channels, out_channels):
        return WinogradConv(in_channels, out_channels)
    return ops.Conv2D(out_channels, kernel_size, pad_mode="pad", pad=kernel_size // 2)


class UnfoldedGradientConv(nn.Cell):
    """A convolution of stride 1, zero padded to keep its size, whose gradients are a convolution and a matrix product.

    Args:
        in_channels, out_channels: as `same_size_conv` takes them.
        kernel_size: side k of the square kernel, odd.
    """

    def __init__(self, in_channels, out_channels, kernel_size):
        super().__init__()
        k, padding = kernel_size, kernel_size // 2
        self.conv = _conv(in_channels, out_channels, k)
        self.conv_back = _conv(out_channels, in_channels, k)
        self.to_input = Conv2DBackpropInput(out_channels, k, pad_mode="pad", pad=(padding,) * 4, pad_list=(padding,) * 4)
        self.unfold = ops.Im2Col(ksizes=k, strides=1, dilations=1, pads=padding)
        self.unfold_columns = ops.Im2Col(ksizes=(1, k), strides=1, dilations=1, pads=(0, padding))
        self.unfold_rows = ops.Im2Col(ksizes=(k, 1), strides=1, dilations=1, pads=(padding, 0))
        self.to_kernel = ops.BatchMatMul(transpose_b=True)
        self.gather = ops.Gather()
        self.turned = ms.Tensor(np.eye(k * k, dtype=np.float32)[::-1].copy())
        self.in_channels = in_channels
        self.kernel_size = k

    def construct(self, x, kernel):
        """(n, c, h, w) and (out_channels, c, k, k) to (n, out_channels, h, w)."""
        return self.conv(x, kernel)

    def bprop(self, x, kernel, out, dout):
        """Gradients of x and the kernel."""
        return self.input_gradient(x, kernel, dout), self.kernel_gradient(x, kernel.shape, dout)

    def input_gradient(self, x, kernel, dout):
        """The gradient of x, of its shape."""
        n, c, h, w = x.shape
        k, width = self.kernel_size, kernel.shape[0]
        if n * h * w < MANY_PIXELS * c or c != self.in_channels:
            return self.to_input(dout, kernel, x.shape)
        turned = ops.matmul(ops.reshape(kernel, (width * c, k * k)), ops.cast(self.turned, kernel.dtype))
        return self.conv_back(dout, ops.reshape(swapped(turned, 1, width, c, k * k), (c, width, k, k)))

    def kernel_gradient(self, x, shape, dout):
        """The kernel's gradient, of its shape."""
        n, c, h, w = x.shape
        k, width = self.kernel_size, shape[0]
        x = ops.depend(x, dout)  # unfolded when the gradient is there, not kept from the forward pass
        if n * h * w < MANY_PIXELS * c:
            seen = ops.reshape(self.unfold(x), (n, c * k * k, h * w))
            return ops.reshape(self.to_kernel(ops.reshape(dout, (n, width, h * w)), seen).sum(axis=0), shape)
        # Pixels moved along rows meet gradients moved along columns: k copies of either instead of k*k of the pixels. What the
        # gradient is moved by, the kernel's tap is moved by the other way.
        seen = ops.reshape(self.unfold_columns(x), (n, c * k, h * w))
        given = ops.reshape(self.unfold_rows(dout), (n, width * k, h * w))
        products = ops.reshape(self.to_kernel(given, seen).sum(axis=0), (width, k * c, k))
        return ops.reshape(self.gather(products, _rows_turned(c, k), 1), shape)


@constexpr
def _rows_turned(channels, k):
    """Where the runs come from that are to stand in the order (channels, k) and stand in (k, channels), the last of k first, int32."""
    return ms.Tensor(np.arange(k * channels).reshape(k, channels)[::-1].T.ravel().astype(np.int32))


class MovedResultsConv(nn.Cell):
    """A convolution of stride 1, zero padded to keep its size: a pointwise one to the result of every tap, and these moved and added.

    Args:
        out_channels: as `same_size_conv` takes it; worth its while where kernel_size**2 * out_channels is at most the channels in.
        kernel_size: side k of the square kernel, odd.
    """

    def __init__(self, out_channels, kernel_size):
        super().__init__()
        k, taps = kernel_size, kernel_size**2
        self.pointwise = ops.Conv2D(out_channels * taps, 1)
        # The last tap's results come first, which is the order gradients are unfolded in.
        backwards = np.eye(taps, dtype=np.float32)[::-1]
        self.backwards = ms.Tensor(backwards.copy())
        moves = np.einsum("op,mn->opmn", np.eye(out_channels, dtype=np.float32), backwards)
        self.moves = ms.Tensor(moves.reshape(out_channels, out_channels * taps, k, k))
        self.move = ops.Conv2D(out_channels, k, pad_mode="pad", pad=k // 2)
        self.unfold = ops.Im2Col(ksizes=k, strides=1, dilations=1, pads=k // 2)
        self.to_kernel = ops.BatchMatMul(transpose_b=True)
        self.out_channels = out_channels
        self.taps = taps

    def construct(self, x, kernel):
        """(n, c, h, w) and (out_channels, c, k, k) to (n, out_channels, h, w)."""
        by_tap = self.by_tap(kernel)
        results = self.pointwise(x, ops.reshape(by_tap, (*by_tap.shape, 1, 1)))
        return self.move(results, ops.cast(self.moves, x.dtype))

    def by_tap(self, kernel):
        """(out_channels, c, k, k) to (out_channels*k*k, c), the last tap first."""
        width, c, taps = self.out_channels, kernel.shape[1], self.taps
        turned = ops.matmul(ops.reshape(kernel, (width * c, taps)), ops.cast(self.backwards, kernel.dtype))
        return ops.reshape(ops.transpose(ops.reshape(turned, (width, c, taps)), (0, 2, 1)), (width * taps, c))

    def bprop(self, x, kernel, out, dout):
        """Gradients of x and the kernel."""
        n, c, h, w = x.shape
        width, taps = self.out_channels, self.taps
        given = ops.reshape(self.unfold(dout), (n, width * taps, h * w))
        of_x = ops.matmul(ops.transpose(self.by_tap(kernel), (1, 0)), given)
        products = self.to_kernel(given, ops.reshape(x, (n, c, h * w))).sum(axis=0)
        turned = ops.reshape(ops.transpose(ops.reshape(products, (width, taps, c)), (0, 2, 1)), (width * c, taps))
        of_kernel = ops.matmul(turned, ops.cast(self.backwards, turned.dtype))
        return ops.reshape(of_x, x.shape), ops.reshape(of_kernel, kernel.shape)
