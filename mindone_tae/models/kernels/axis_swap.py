"""A transpose of two axes that, on a CPU, does without the memory that MindSpore's transpose takes there.

MindSpore's transpose on a CPU keeps about twice its operand's memory for as long as its graph lives, so that a network
whose kernels are reordered at each call would hold its parameters several times. A gather of the contiguous runs keeps
nothing; where the runs are single numbers, a product with the identity matrix is faster.
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
    """`swap_axes` by gather, for tensors that need no gradient: the gradient of this gather is slow."""
    # the primitive, not ops.gather, which does not compile inside a bprop that itself takes a gradient
    x = ops.Gather()(ops.reshape(x, (before, outer * inner, after)), _order(outer, inner), 1)
    return ops.reshape(x, (before, inner, outer, after))


@constexpr
def _order(outer, inner):
    """Indices, int32, that bring runs from the order (outer, inner) into the order (inner, outer)."""
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
