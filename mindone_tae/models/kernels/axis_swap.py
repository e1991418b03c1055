"""Two axes exchanged, on a CPU without the memory that MindSpore's transpose takes there.

MindSpore's transpose on a CPU keeps about twice its operand's memory for as long as its graph lives, so that a network whose kernels
change their order at each call would hold its parameters several times. Gathering the runs of numbers that stay together keeps nothing;
where the runs are single numbers, a product with the unit matrix is faster.
"""

import numpy as np

import mindspore as ms
from mindspore import nn, ops
from mindspore.ops import constexpr

from .device import on_cpu


def swap_axes(x, before, outer, inner, after):
    """Exchanges two axes, with the gradient.

    Args:
        x: any shape, taken as (before, outer, inner, after).
        before, outer, inner, after: int.

    Returns:
        (before, inner, outer, after).
    """
    if not on_cpu():
        return ops.transpose(ops.reshape(x, (before, outer, inner, after)), (0, 2, 1, 3))
    if after == 1:
        return _by_product(x, before, outer, inner)
    return _by_gather(x, before, outer, inner, after)


def gathered(x, before, outer, inner, after):
    """As `swap_axes` on a CPU, by gather; its own gradient would be slow, so it is for what needs none."""
    # the primitive: the function cannot be compiled inside a gradient that is defined by a gradient
    x = ops.Gather()(ops.reshape(x, (before, outer * inner, after)), _order(outer, inner), 1)
    return ops.reshape(x, (before, inner, outer, after))


@constexpr
def _order(outer, inner):
    """Where the runs come from that are to stand in the order (inner, outer) and stand in (outer, inner), int32."""
    return ms.Tensor(np.arange(outer * inner).reshape(outer, inner).T.ravel().astype(np.int32))


@constexpr
def _units(number, size):
    return ms.Tensor(np.broadcast_to(np.eye(size, dtype=np.float32), (number, size, size)).copy())


class _ByGather(nn.Cell):
    def construct(self, x, before, outer, inner, after):
        return gathered(x, before, outer, inner, after)

    def bprop(self, x, before, outer, inner, after, out, dout):
        return ops.reshape(gathered(dout, before, inner, outer, after), x.shape), 0, 0, 0, 0


class _ByProduct(nn.Cell):
    def construct(self, x, before, outer, inner):
        unit = ops.cast(_units(before, inner), x.dtype)
        y = ops.BatchMatMul(transpose_b=True)(unit, ops.reshape(x, (before, outer, inner)))
        return ops.reshape(y, (before, inner, outer, 1))

    def bprop(self, x, before, outer, inner, out, dout):
        unit = ops.cast(_units(before, inner), dout.dtype)
        dout = ops.BatchMatMul(transpose_a=True)(ops.reshape(dout, (before, inner, outer)), unit)
        return ops.reshape(dout, x.shape), 0, 0, 0


_by_gather, _by_product = _ByGather(), _ByProduct()
