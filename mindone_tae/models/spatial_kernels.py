"""The 3x3 convolution inside a frame, with the kernel's gradient in the form that suits the device.

On a CPU the native gradient of a 3x3 kernel runs at half the rate of the convolution it belongs to; unfolded pixels and one
matrix product give the same sums in three quarters of the time. An NPU has a kernel of its own for it and keeps that.
"""

import mindspore as ms
from mindspore import nn, ops
from mindspore.ops.operations import Conv2DBackpropInput


def same_size_conv(out_channels, kernel_size):
    """A convolution of stride 1 that keeps height and width by zero padding.

    Args:
        out_channels: channels out.
        kernel_size: side of the square kernel, odd.

    Returns:
        A callable of x (n, c, h, w) and the kernel (out_channels, c, kernel_size, kernel_size).
    """
    if kernel_size > 1 and ms.get_context("device_target") == "CPU":
        return UnfoldedGradientConv(out_channels, kernel_size)
    return ops.Conv2D(out_channels, kernel_size, pad_mode="pad", pad=kernel_size // 2)


class UnfoldedGradientConv(nn.Cell):
    """A convolution of stride 1, zero padded to keep its size, whose kernel's gradient is a matrix product.

    Args:
        out_channels: channels out.
        kernel_size: side of the square kernel, odd.
    """

    def __init__(self, out_channels, kernel_size):
        super().__init__()
        padding = kernel_size // 2
        self.conv = ops.Conv2D(out_channels, kernel_size, pad_mode="pad", pad=padding)
        self.to_input = Conv2DBackpropInput(out_channels, kernel_size, pad_mode="pad", pad=(padding,) * 4, pad_list=(padding,) * 4)
        self.unfold = ops.Im2Col(ksizes=kernel_size, strides=1, dilations=1, pads=padding)
        self.to_kernel = ops.BatchMatMul(transpose_b=True)

    def construct(self, x, kernel):
        """(n, c, h, w) and (out_channels, c, k, k) to (n, out_channels, h, w)."""
        return self.conv(x, kernel)

    def bprop(self, x, kernel, out, dout):
        """Gradients of x and the kernel."""
        n, c, h, w = x.shape
        # depending on dout, the pixels are unfolded when the gradient is there and not kept from the forward pass
        seen = ops.reshape(self.unfold(ops.depend(x, dout)), (n, c * kernel.shape[2] * kernel.shape[3], h * w))
        products = self.to_kernel(ops.reshape(dout, (n, dout.shape[1], h * w)), seen)
        return self.to_input(dout, kernel, x.shape), ops.reshape(products.sum(axis=0), kernel.shape)
