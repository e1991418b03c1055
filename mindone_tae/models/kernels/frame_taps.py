"""Convolutions over time as a gather of frames, which are rows in the frames-major layout, and a 1x1 convolution.

On a CPU the frames that a result reads are gathered side by side on the channel axis and multiplied by a 1x1 kernel.
Autodiff would keep the gathered frames, three times the activation, and scatter their gradient. Here the backward pass
gathers the gradients that reach a frame side by side and uses them twice: convolved with the transposed kernel they are
the gradient of the frame, and their products with the frame are the gradient of the kernel. Winograd's algorithm halves
the products where there are many channels.

The portable form multiplies each frame by all taps, shifts the products by whole frames and adds them: its gradient
keeps x only.
"""

from mindspore import nn, ops
from mindspore.ops.operations import Conv2DBackpropInput

from .axis_swap import gathered, swap_axes
from .device import as_products, on_cpu
from .frame_tables import copies_side_by_side, doubled, every_other, neighbours
from .products import pointwise
from .spatial import MANY_PIXELS
from .winograd import along_frames, faster_along_frames


class _GatheredTaps(nn.Cell):
    """Pointwise convolution over gathered rows.

    Args:
        tables: a function of `frame_tables`.
        taps: rows that each result reads.
        group: results of each gathered row, each with as many channels as x and a kernel of its own; the kernel is
            (group*c, taps*c, 1, 1).
        zero_row: the tables use x's number of rows as the index of a row of zeros.
        neighbours: the tables are `frame_tables.neighbours`.
    """

    def __init__(self, tables, taps=3, group=1, zero_row=False, neighbours=False):
        super().__init__()
        self.tables = tables
        self.taps = taps
        self.group = group
        self.zero_row = zero_row
        self.neighbours = neighbours

    def construct(self, x, kernel, b):
        """(t*b, c, h, w) to (rows_out, group*c, h, w)."""
        if self.neighbours and faster_along_frames(x.shape, b, x.dtype):
            return along_frames(x, kernel, b)
        rows, c, h, w = x.shape
        group, slots = self.group, self.group * self.taps
        forward_rows, _, _, _ = self.tables(rows // b, b)
        x = ops.cat((x, ops.zeros((1, c, h, w), x.dtype)), axis=0) if self.zero_row else x
        seen = ops.reshape(ops.Gather()(x, forward_rows, 0), (forward_rows.shape[0] // slots, slots * c, h, w))
        return pointwise(seen, kernel, group)

    def bprop(self, x, kernel, b, out, dout):
        """Gradients of x and the kernel."""
        rows, c, h, w = x.shape
        group, slots = self.group, self.group * self.taps
        _, backward_rows, one, other = self.tables(rows // b, b)
        gather, products = ops.Gather(), ops.BatchMatMul(transpose_b=True)
        dout = ops.reshape(dout, (dout.shape[0] * group, c, h, w))
        shared = gather(dout, one, 0) + gather(dout, other, 0)
        dout = ops.cat((dout, shared, ops.zeros((1, c, h, w), dout.dtype)), axis=0)
        reaching = gather(dout, backward_rows, 0)
        of_kernel = products(ops.reshape(reaching, (rows, slots * c, h * w)), ops.reshape(x, (rows, c, h * w))).sum(
            axis=0
        )
        of_kernel = ops.reshape(gathered(of_kernel, group, self.taps, c, c), kernel.shape)
        kernel = ops.depend(kernel, dout)  # reordered when the gradient arrives, not kept from the forward pass on
        return self.gradient_of_x(ops.reshape(reaching, (rows, slots * c, h, w)), kernel), of_kernel, 0

    def gradient_of_x(self, reaching, kernel):
        """The gradient of x from those that reach its rows, (rows, group*taps*c, h, w).

        The native operator where pixels are few: it is faster there, and needs no transposed kernel.
        """
        rows, slots_c, h, w = reaching.shape
        group, taps = self.group, self.taps
        c = slots_c // (group * taps)
        if rows * h * w < MANY_PIXELS * c and not as_products():
            by_slot = ops.reshape(gathered(kernel, group, c, taps, c), (slots_c, c, 1, 1))
            return Conv2DBackpropInput(slots_c, 1)(reaching, by_slot, (rows, c, h, w))
        turned = ops.transpose(ops.reshape(kernel, (group, c, taps, c)), (3, 0, 2, 1))
        return ops.Conv2D(c, 1)(reaching, ops.reshape(turned, (c, slots_c, 1, 1)))


class NeighbourTaps(nn.Cell):
    """A convolution over each frame, or every other, with its two neighbours; past the ends frames are repeated."""

    def __init__(self):
        super().__init__()
        self.every = _GatheredTaps(neighbours, neighbours=True)
        self.every_other = _GatheredTaps(every_other)

    def construct(self, x, kernel, b, stride):
        """Convolves.

        Args:
            x: (t*b, c, h, w), t at least 2.
            kernel: (c_out, c, 3), float32; c_out is c.
            b: rows a frame.
            stride: 1 or 2 frames a step.

        Returns:
            (ceil(t/stride)*b, c, h, w) in x's type.
        """
        if not on_cpu() and stride == 1:
            return _moved_products(x, kernel, b)
        c = x.shape[1]
        kernel = ops.cast(ops.reshape(swap_axes(kernel, c, c, 3, 1), (c, 3 * c, 1, 1)), x.dtype)
        if not on_cpu():
            return ops.Conv2D(c, 1)(_every_other_between_neighbours(x, b), kernel)
        if stride == 2:
            return self.every_other(x, kernel, b)
        return self.every(x, kernel, b)


def _moved_products(x, kernel, b):
    before, here, after = _products(x, kernel)
    return ops.cat((before[:b], before[:-b])) + here + ops.cat((after[b:], after[-b:]))


def doubled_taps(x, kernel, b):
    """A convolution of 3 frames over doubled frames, with zeros past the ends: either copy reads two frames.

    Args:
        x: (t*b, c, h, w).
        kernel: (c_out, c, 4), float32, c_out is c: the two taps of a frame's first copy, on the frame before and on
            itself, and those of its second copy, on itself and on the frame after.
        b: rows a frame.

    Returns:
        (2*t*b, c, h, w).
    """
    rows, c, h, w = x.shape
    if on_cpu():
        # rows by copy, columns in the order the frames are gathered in
        kernel = swap_axes(swap_axes(kernel, c, c, 4, 1), 1, c, 2, 2 * c)
        y = _doubled(x, ops.cast(ops.reshape(kernel, (2 * c, 2 * c, 1, 1)), x.dtype), b)
        y = ops.reshape(y, (2 * rows, c, h, w))
        return ops.gather(y, copies_side_by_side(rows // b, b), 0) if b > 1 else y
    before, first, second, after = _products(x, kernel)
    zeros = ops.zeros((b, c, h, w), x.dtype)
    first = first + ops.cat((zeros, before[:-b]))
    second = second + ops.cat((after[b:], zeros))
    copies = ops.stack([ops.reshape(copy, (rows // b, b * c * h * w)) for copy in (first, second)], axis=1)
    return ops.reshape(copies, (2 * rows, c, h, w))


def _products(x, kernel):
    """Products of x with each tap of (c, c, taps): a list of `taps` tensors of x's shape."""
    c, taps = x.shape[1], kernel.shape[-1]
    kernel = ops.reshape(ops.transpose(kernel, (2, 0, 1)), (taps * c, c, 1, 1))
    products = ops.Conv2D(taps * c, 1)(x, ops.cast(kernel, x.dtype))
    return [products[:, tap * c : (tap + 1) * c] for tap in range(taps)]


def _every_other_between_neighbours(x, b):
    """(t*b, c, h, w) to (ceil(t/2)*b, 3*c, h, w): the frame before, the frame and the frame after, side by side."""
    rows, c, h, w = x.shape
    t = rows // b
    x = ops.reshape(x, (t, b, c, h, w))
    before = ops.cat((x[:1], x[1 : t - 1 : 2])) if t > 2 else x[:1]
    after = x[1::2] if t % 2 == 0 else ops.cat((x[1::2], x[t - 1 :]))
    return ops.reshape(ops.cat((before, x[::2], after), axis=2), (-1, 3 * c, h, w))


_doubled = _GatheredTaps(doubled, taps=2, group=2, zero_row=True)
