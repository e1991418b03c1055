"""Activations of residual blocks computed again in the backward pass instead of kept.

MindSpore's own `recompute` saves nothing in graph mode where a kernel defines its gradient, as the CPU's do: its pass
recognizes backward operators by a name that such gradients lack. Here the gradient of a branch is defined as the
gradient of the branch run once more. Such a definition cannot use a Parameter, hence the branch is written here a
second time, as a function of the values of the parameters that the block's layers hold when it runs. MindSpore 2.8.0
also fails to compile it with kernels that define gradients and are called elsewhere too, or that share a function
holding an `if` with their gradients: so it has instances of the kernels of its own, and those functions are methods of
the kernels.
"""

import logging
import types

from mindspore import nn, ops

from .activation import Silu
from .conv2_5d import Conv2_5d
from .norm import GroupNorm
from .operands import computed, float32

_logger = logging.getLogger(__name__)
_warned = []


def recompute_blocks(levels, mid):
    """Makes every residual block of these levels and of the middle recompute its activations in the backward pass."""
    for block in [block for level in levels for block in level.block] + [mid.block_1, mid.block_2]:
        block.recompute()


def recompute(block):
    """Makes a ResnetBlock recompute its activations in the backward pass, in graph and PyNative mode.

    Raises:
        ValueError: with dropout, which would drop other elements the second time.
    """
    if getattr(block.dropout, "p", 0):
        raise ValueError(
            f"dropout is {block.dropout.p}; a residual block computed again in the backward pass would drop other "
            "elements than in the forward pass: use dropout 0, or use_recompute false"
        )
    block.frames = types.MethodType(_frames, block)


def keep_activations(block):
    """Undoes `recompute` where it was applied to this cell: for copies that no gradient flows through."""
    vars(block).pop("frames", None)


def parameters_of(block, norm_class, conv_class):
    """Parameters of the branch of a ResnetBlock, in the order that the recomputed branch takes.

    Args:
        block: the ResnetBlock.
        norm_class: the class of its norms.
        conv_class: the class of its convolutions.

    Returns:
        A tuple of twelve Parameters. Empty, with a warning the first time, where the block computes something else: a
        layer was replaced by one of another class, or drops elements.
    """
    norms = [_without_cast(norm) for norm in (block.norm1, block.norm2)]
    convs = [block.conv1, block.conv2]
    own = all(type(norm) is norm_class for norm in norms)
    own = own and all(type(conv) is conv_class and conv.has_own_layers for conv in convs)
    if not own or type(block.dropout) is not nn.Dropout or block.dropout.p:
        if not _warned:
            _warned.append(True)
            _logger.warning(
                "a layer of a residual block was replaced: recomputation knows the block's own layers only, and a "
                "block with others keeps its activations"
            )
        return ()
    halves = ((norm.gamma, norm.beta, *_weights(conv)) for norm, conv in zip(norms, convs))
    return tuple(parameter for half in halves for parameter in half)


def _without_cast(norm):
    """The norm itself, of one in a black list: MindSpore's mixed precision wraps it to cast its result."""
    return norm._backbone if type(norm).__module__ == "mindspore.train.amp" else norm


def _weights(conv):
    return conv.conv_spat.weight, conv.conv_spat.bias, conv.conv_temp.weight, conv.conv_temp.bias


def _frames(self, x, b):
    """A ResnetBlock's `frames`."""
    found = self.recomputed_parameters
    if not found:
        return self.shortcut(x, b) + self.branch(x, b)
    parameters = [float32(parameter) for parameter in found]
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
