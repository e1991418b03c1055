"""Activations of residual blocks computed again in the backward pass instead of kept.

MindSpore's own `recompute` saves nothing in graph mode where a kernel defines its gradient, as the CPU's do: its pass
recognizes backward operators by a name that such gradients lack. Here the gradient of a branch is defined as the
gradient of the branch run once more. Such a definition cannot use a Parameter, hence the branch is written here a
second time, as a function of the values of the block's parameters. MindSpore 2.8.0 also fails to compile it with
kernels that define gradients and are called elsewhere too, or that share a function holding an `if` with their
gradients: so it has instances of the kernels of its own, and those functions are methods of the kernels.
"""

import types

from mindspore import nn, ops

from .activation import Silu
from .conv2_5d import Conv2_5d
from .norm import GroupNorm
from .operands import computed, float32


def recompute_blocks(levels, mid):
    """Makes every residual block of these levels and of the middle recompute its activations in the backward pass."""
    for block in [block for level in levels for block in level.block] + [mid.block_1, mid.block_2]:
        block.recompute()


def recompute(block):
    """Makes a ResnetBlock recompute its activations in the backward pass, in graph and PyNative mode.

    Raises:
        ValueError: with dropout, which would drop other elements the second time.
    """
    if block.dropout.p:
        raise ValueError(
            f"dropout is {block.dropout.p}; a residual block computed again in the backward pass would drop other "
            "elements than in the forward pass: use dropout 0, or use_recompute false"
        )
    layers = (
        block.norm1,
        block.conv1.conv_spat,
        block.conv1.conv_temp,
        block.norm2,
        block.conv2.conv_spat,
        block.conv2.conv_temp,
    )
    block.recomputed_parameters = tuple(parameter for layer in layers for parameter in layer.trainable_params())
    block.frames = types.MethodType(_frames, block)


def keep_activations(block):
    """Undoes `recompute` where it was applied to this cell: for copies that no gradient flows through."""
    for name in ("frames", "recomputed_parameters"):
        vars(block).pop(name, None)


def _frames(self, x, b):
    """A ResnetBlock's `frames`."""
    parameters = [float32(parameter) for parameter in self.recomputed_parameters]
    y = computed(x, self.dtype)
    return self.shortcut(x, b) + _branch(y, b, self.norm_num_groups, *parameters)


class _Branch(nn.Cell):
    """The branch that a ResnetBlock adds to its residual, recomputed in the backward pass.

    The parameters are those of norm, spatial and temporal convolution, twice, named one by one because graph mode
    requires it of a bprop.
    """

    def __init__(self):
        super().__init__()
        self.gradient = ops.GradOperation(get_all=True, sens_param=True)
        self.conv2_5d = Conv2_5d()
        self.norm, self.silu = GroupNorm(), Silu()

    # fmt: off
    def construct(self, x, b, groups, gamma1, beta1, spat1, spat_bias1, temp1, temp_bias1,
                  gamma2, beta2, spat2, spat_bias2, temp2, temp_bias2):
        return self.compute(x, b, groups, gamma1, beta1, spat1, spat_bias1, temp1, temp_bias1,
                            gamma2, beta2, spat2, spat_bias2, temp2, temp_bias2)

    def bprop(self, x, b, groups, gamma1, beta1, spat1, spat_bias1, temp1, temp_bias1,
              gamma2, beta2, spat2, spat_bias2, temp2, temp_bias2, out, dout):
        # depending on dout, the branch runs when the gradient arrives, and not right after the forward pass
        gradients = self.gradient(self.compute)(
            ops.depend(x, dout), b, groups, gamma1, beta1, spat1, spat_bias1, temp1, temp_bias1,
            gamma2, beta2, spat2, spat_bias2, temp2, temp_bias2, dout)
        of_x, of_parameters = gradients[0], gradients[-12:]
        # an earlier block's backward pass waits until this block's activations are released
        return (ops.depend(of_x, of_parameters), 0, 0, *of_parameters)

    def compute(self, x, b, groups, gamma1, beta1, spat1, spat_bias1, temp1, temp_bias1,
                gamma2, beta2, spat2, spat_bias2, temp2, temp_bias2):
        # fmt: on
        y = self.silu(self.norm(x, b, gamma1, beta1, groups))
        y = self.conv2_5d(y, b, spat1, spat_bias1, temp1, temp_bias1)
        y = self.silu(self.norm(y, b, gamma2, beta2, groups))
        return self.conv2_5d(y, b, spat2, spat_bias2, temp2, temp_bias2)


_branch = _Branch()
