"""Two axes exchanged, on a CPU without the memory that MindSpore's transpose takes there.

MindSpore's transpose on a CPU keeps about twice its operand's memory for as long as its graph lives, so that a network whose kernels
change their order at each call would hold its parameters several times. Gathering the runs of numbers that stay together keeps nothing;
where the runs are single numbers, a product with the unit matrix is faster. An NPU transposes.
"""

import numpy as np

import mindspore as ms
from mindspore import nn, ops
from mindspore.ops import constexpr

_gather = ops.Gather()  # the function of that name cannot be compiled inside a gradient that is defined by a gradient


def swapped(x, before, outer, inner, after):
    """By gather, x of any shape, taken as (before, outer, inner, after), to (before, inner, outer, after); its own gradient would be slow."""
    x = _gather(ops.reshape(x, (before, outer * inner, after)), _order(outer, inner), 1)
    return ops.reshape(x, (before, inner, outer, after))


@constexpr
def _order(outer, inner):
    """Where the runs come from that are to stand in the order (inner, outer) and stand in (outer, inner), int32."""
    return ms.Tensor(np.arange(outer * inner).reshape(outer, inner).T.ravel().astype(np.int32))


class AxisSwap(nn.Cell):
    """x of any shape, taken as (before, outer, inner, after), to (before, inner, outer, after), with the gradient.

    Args:
        before, outer, inner, after: the sizes.
    """

    def __init__(self, before, outer, inner, after):
        super().__init__()
        self.sizes = (before, outer, inner, after)
        self.on_cpu = ms.get_context("device_target") == "CPU"
        self.by_product = self.on_cpu and after == 1
        if self.by_product:
            self.unit = ms.Tensor(np.broadcast_to(np.eye(inner, dtype=np.float32), (before, inner, inner)).copy())
        self.unit_by_x = ops.BatchMatMul(transpose_b=True)
        self.y_by_unit = ops.BatchMatMul(transpose_a=True)

    def construct(self, x):
        """To (before, inner, outer, after)."""
        before, outer, inner, after = self.sizes
        if not self.by_product:
            return self.exchanged(x, before, outer, inner, after)
        y = self.unit_by_x(ops.cast(self.unit, x.dtype), ops.reshape(x, (before, outer, inner)))
        return ops.reshape(y, (before, inner, outer, 1))

    def bprop(self, x, out, dout):
        """The gradient of x, of its shape."""
        before, outer, inner, after = self.sizes
        if not self.by_product:
            return (ops.reshape(self.exchanged(dout, before, inner, outer, after), x.shape),)
        dout = self.y_by_unit(ops.reshape(dout, (before, inner, outer)), ops.cast(self.unit, dout.dtype))
        return (ops.reshape(dout, x.shape),)

    def exchanged(self, x, before, outer, inner, after):
        """As `swapped`, by the device's way."""
        if self.on_cpu:
            return swapped(x, before, outer, inner, after)
        return ops.transpose(ops.reshape(x, (before, outer, inner, after)), (0, 2, 1, 3))
