"""A convolution over time as one pointwise convolution over frames gathered side by side, with a gradient of the same form.

In the frames-major layout a frame is a row, so that frames are picked by their rows: the frames an output sees are gathered next to each
other on the channel axis and meet a 1x1 kernel. Left to itself, autodiff would keep the gathered frames, three times the
activation, and scatter its gradient. Here the gradients that came out of a frame are gathered side by side instead, and serve both: with the
kernel turned over they are the frame's own gradient, and their products with the frame are the kernel's. On a CPU, `WinogradTaps` takes
half the products where channels are many.
"""

import mindspore as ms
from mindspore import nn, ops
from mindspore.ops.operations import Conv2DBackpropInput

from .axis_swap import swapped
from .spatial import MANY_PIXELS
from .winograd import WinogradTaps, pays


class GatheredTaps(nn.Cell):
    """Pointwise convolution over gathered rows, without a gradient of its own.

    Args:
        channels, taps, group, zero_row: as `FrameTaps` takes them.
    """

    def __init__(self, channels, taps, group, zero_row):
        super().__init__()
        self.pointwise = ops.Conv2D(group * channels, 1, group=group)
        self.gather = ops.Gather()
        self.slots = group * taps
        self.zero_row = zero_row

    def construct(self, x, kernel, take, b):
        """As `FrameTaps`; b is not needed."""
        _, c, h, w = x.shape
        if self.zero_row:
            x = ops.cat((x, ops.zeros((1, c, h, w), x.dtype)), axis=0)
        seen = ops.reshape(self.gather(x, take, 0), (take.shape[0] // self.slots, self.slots * c, h, w))
        return self.pointwise(seen, kernel)


class FrameTaps(nn.Cell):
    """Pointwise convolution over gathered rows.

    Args:
        channels: channels in.
        taps: rows that each result sees.
        group: results for each gathered row, of the same number of channels, each with a kernel of its own.
        zero_row: `take` may say x's number of rows, for zeros.
        neighbours: the tables are those of `frame_tables.neighbours` with stride 1.
    """

    def __init__(self, channels, taps=3, group=1, zero_row=False, neighbours=False):
        super().__init__()
        self.forward = GatheredTaps(channels, taps, group, zero_row)
        if neighbours and pays(channels, channels) and ms.get_context("device_target") == "CPU":
            self.forward = WinogradTaps(channels, self.forward)
        self.pointwise_back = ops.Conv2D(channels, 1)
        self.to_input = Conv2DBackpropInput(group * taps * channels, 1)
        self.to_kernel = ops.BatchMatMul(transpose_b=True)
        self.gather = ops.Gather()
        self.zeros = ops.ZerosLike()  # the function of that name cannot be compiled inside a gradient that is defined by a gradient
        self.taps = taps
        self.group = group

    def construct(self, x, kernel, take, give, pairs, b):
        """Convolves.

        Args:
            x: (rows, c, h, w).
            kernel: (group*c, taps*c, 1, 1).
            take, give, pairs: int32, as `frame_tables` makes them.
            b: rows a frame.

        Returns:
            (rows_out, group*c, h, w).
        """
        return self.forward(x, kernel, take, b)

    def bprop(self, x, kernel, take, give, pairs, b, out, dout):
        """Gradients of x and the kernel."""
        rows, c, h, w = x.shape
        group, taps = self.group, self.taps
        slots = group * taps
        dout = ops.reshape(dout, (dout.shape[0] * group, c, h, w))
        sums = self.gather(dout, pairs[0], 0) + self.gather(dout, pairs[1], 0)
        dout = ops.cat((dout, sums, ops.zeros((1, c, h, w), dout.dtype)), axis=0)
        met = self.gather(dout, give, 0)
        products = self.to_kernel(ops.reshape(met, (rows, slots * c, h * w)), ops.reshape(x, (rows, c, h * w))).sum(axis=0)
        of_kernel = swapped(products, group, taps, c, c)
        of_x = self.input_gradient(ops.reshape(met, (rows, slots * c, h, w)), kernel)
        return of_x, ops.reshape(of_kernel, kernel.shape), self.zeros(take), self.zeros(give), self.zeros(pairs), 0

    def input_gradient(self, met, kernel):
        """The gradient of x from those that came out of its rows, (rows, group*taps*c, h, w).

        The native one where pixels are few: it is faster there, and takes the kernel as it lies.
        """
        rows, slots_c, h, w = met.shape
        group, taps = self.group, self.taps
        c = slots_c // (group * taps)
        if rows * h * w < MANY_PIXELS * c:
            by_slot = ops.reshape(swapped(kernel, group, c, taps, c), (slots_c, c, 1, 1))
            return self.to_input(met, by_slot, (rows, c, h, w))
        turned = ops.transpose(ops.reshape(kernel, (group, c, taps, c)), (3, 0, 2, 1))
        return self.pointwise_back(met, ops.reshape(turned, (c, slots_c, 1, 1)))
