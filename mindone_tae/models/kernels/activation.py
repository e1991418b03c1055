"""SiLU, x * sigmoid(x).

On a CPU MindSpore computes it as a sigmoid and a product, and its gradient keeps the sigmoid from the forward pass on.
But softplus has a sigmoid for its derivative, and the operator of softplus's gradient, which multiplies by it, takes a
third of the time and holds nothing in between.
"""

import mindspore as ms
from mindspore import nn, ops
from mindspore.ops.operations._grad_ops import SoftplusGrad

from .device import on_cpu


class Silu(nn.Cell):
    """x * sigmoid(x), elementwise."""

    def __init__(self):
        super().__init__()
        self.of_softplus = _SiluOfSoftplus()

    def construct(self, x):
        """A tensor of any shape to one of its shape and type."""
        if on_cpu() and x.dtype == ms.float32:
            return self.of_softplus(x)
        return ops.silu(x)


class _SiluOfSoftplus(nn.Cell):
    """SiLU as the gradient of softplus, times x."""

    def __init__(self):
        super().__init__()
        self.times_sigmoid = SoftplusGrad()  # its first argument times the sigmoid of its second

    def construct(self, x):
        return self.times_sigmoid(x, x)

    def bprop(self, x, out, dout):
        # sigmoid(x) + out * (1 - sigmoid(x)), times dout
        product = dout * out
        return (product + self.times_sigmoid(dout - product, x),)


silu = Silu()
