"""A convolution over time as one pointwise convolution over frames gathered side by side, with a gradient that keeps none of them.

In the frames-major layout a frame is a row, so that frames are picked by their rows: the frames an output sees are gathered next to each
other on the channel axis and meet a 1x1 kernel. Left to itself, autodiff would keep the gathered frames, three times the
activation, and scatter its gradient; here they are gathered again, and the gradient is gathered back.
"""

from mindspore import nn, ops
from mindspore.ops.operations import Conv2DBackpropInput


class FrameTaps(nn.Cell):
    """Pointwise convolution over gathered rows.

    Args:
        out_channels: channels out, of all groups together.
        group: groups of channels, each convolved by itself.
        uneven: rows of x are used differently often, so that `give` holds entries that stand for nowhere.
    """

    def __init__(self, out_channels, group=1, uneven=False):
        super().__init__()
        self.pointwise = ops.Conv2D(out_channels, 1, group=group)
        self.to_input = Conv2DBackpropInput(out_channels, 1, group=group)
        self.to_kernel = ops.BatchMatMul(transpose_b=True)
        self.gather = ops.Gather()
        self.group = group
        self.uneven = uneven

    def construct(self, x, kernel, take, give):
        """Convolves.

        Args:
            x: (rows, c, h, w).
            kernel: (out_channels, taps*c/group, 1, 1).
            take: (rows_out*taps,) int32, for each row of the result the rows of x it sees.
            give: (uses, rows) int32, for each row of x where `take` uses it; rows_out*taps stands for nowhere.

        Returns:
            (rows_out, out_channels, h, w).
        """
        return self.pointwise(self.gathered(x, kernel, take), kernel)

    def gathered(self, x, kernel, take):
        """(rows, c, h, w) to (rows_out, taps*c, h, w)."""
        _, c, h, w = x.shape
        taps = kernel.shape[1] * self.group // c
        return ops.reshape(self.gather(x, take, 0), (take.shape[0] // taps, taps * c, h, w))

    def kernel_gradient(self, seen, dout):
        """The products of what came out with what went in, summed over rows and pixels: (group, out/group, taps*c/group)."""
        rows, c, h, w = seen.shape
        out = ops.reshape(dout, (rows, self.group, dout.shape[1] // self.group, h * w))
        products = self.to_kernel(out, ops.reshape(seen, (rows, self.group, c // self.group, h * w)))
        return products.sum(axis=0)

    def bprop(self, x, kernel, take, give, out, dout):
        """Gradients of x and the kernel."""
        _, c, h, w = x.shape
        # depending on dout, the frames are gathered when the gradient is there and not kept from the forward pass
        seen = self.gathered(ops.depend(x, dout), kernel, take)
        kernel_gradient = ops.reshape(self.kernel_gradient(seen, dout), kernel.shape)
        used = ops.reshape(self.to_input(dout, kernel, seen.shape), (take.shape[0], c, h, w))
        if self.uneven:
            used = ops.cat((used, ops.zeros((1, c, h, w), used.dtype)), axis=0)
        gradient = self.gather(used, give[0], 0)
        for i in range(1, give.shape[0]):
            gradient = gradient + self.gather(used, give[i], 0)
        return gradient, kernel_gradient, ops.zeros_like(take), ops.zeros_like(give)
