"""Activations computed again in the backward pass instead of kept, for the branch of a residual block.

MindSpore's own `recompute` saves nothing in graph mode where a cell inside defines its gradient, as those of this network do: its pass
tells backward operators by a name that such gradients do not have. Here the branch's gradient is defined as the gradient of the branch
run once more. Such a cell may hold no parameters, hence they are handed to it, one by one: of a tuple, PyNative mode gives wrong gradients.
"""

from mindspore import nn, ops


class RecomputedBranch(nn.Cell):
    """Runs a residual block's branch, and again when its gradient is asked for.

    Args:
        branch: a callable as `ResnetBlock.branch`.
    """

    def __init__(self, branch):
        super().__init__(auto_prefix=False)
        self.branch = branch
        self.gradient = ops.GradOperation(get_all=True, sens_param=True)

    def construct(self, x, b, gamma1, beta1, spatial1, spatial_bias1, temporal1, temporal_bias1, gamma2, beta2, spatial2, spatial_bias2, temporal2, temporal_bias2):
        """As the branch."""
        first = (gamma1, beta1, spatial1, spatial_bias1, temporal1, temporal_bias1)
        return self.branch(x, b, *first, gamma2, beta2, spatial2, spatial_bias2, temporal2, temporal_bias2)

    def bprop(self, x, b, gamma1, beta1, spatial1, spatial_bias1, temporal1, temporal_bias1, gamma2, beta2, spatial2, spatial_bias2, temporal2, temporal_bias2, out, dout):
        """Gradients of x and the parameters."""
        first = (gamma1, beta1, spatial1, spatial_bias1, temporal1, temporal_bias1)
        second = (gamma2, beta2, spatial2, spatial_bias2, temporal2, temporal_bias2)
        # depending on dout, the branch runs when the gradient is there, and not right after the forward pass
        gradients = self.gradient(self.branch)(ops.depend(x, dout), b, *first, *second, dout)
        of_x, of_parameters = gradients[0], gradients[-12:]
        # no block before this one begins until this one's activations are used up
        return (ops.depend(of_x, of_parameters), 0, *of_parameters)


def recompute_blocks(levels, mid):
    """Marks every residual block of these levels and of the middle for recomputation in the backward pass."""
    for block in [block for level in levels for block in level.block] + [mid.block_1, mid.block_2]:
        block.recompute()
