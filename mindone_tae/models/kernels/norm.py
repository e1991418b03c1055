"""Group normalization of frames-major video, in float32.

On a CPU statistics and normalization are two passes over the input, and the gradient is computed from the input and the
statistics: autodiff of the portable form would keep normalized values too.
"""

import numpy as np

import mindspore as ms
from mindspore import nn, ops
from mindspore.ops import constexpr
from mindspore.ops.operations._grad_ops import BatchNormGrad

from .device import on_cpu


class GroupNorm(nn.Cell):
    """Group normalization (Wu and He, 2018) whose statistics run over (t, h, w) together."""

    def __init__(self):
        super().__init__()
        self.with_statistics = _WithStatistics()

    def construct(self, x, b, gamma, beta, groups, eps=1e-6):
        """Normalizes.

        Args:
            x: (t*b, c, h, w).
            b: the batch size.
            gamma: (c,), float32.
            beta: (c,), float32.
            groups: groups the channels are split into.
            eps: added to the variance.

        Returns:
            (t*b, c, h, w) in x's type.
        """
        (rows, c, h, w), kind = x.shape, x.dtype
        x = ops.reshape(ops.cast(x, ms.float32), (rows // b, b * c, h, w))
        x = self.of_frames(x, self.for_each(gamma, b), self.for_each(beta, b), b * groups, eps)
        return ops.cast(ops.reshape(x, (rows, c, h, w)), kind)

    def for_each(self, values, b):
        """(c,) for each of b videos, (b*c,)."""
        return ops.tile(values, (b,)) if b > 1 else values

    def of_frames(self, x, gamma, beta, groups, eps):
        """(t, c, h, w), each channel of which belongs to one video."""
        if on_cpu():
            return self.with_statistics(x, gamma, beta, groups, eps)[0]
        return _portable(x, gamma, beta, groups, eps)


def normalized(x, mean, variance, gamma, beta, eps):
    """x (n, c, h, w) normalized by a given mean and variance; they, gamma and beta are (c,), float32."""
    if on_cpu():
        return ops.BatchNorm(is_training=False, epsilon=eps)(x, gamma, beta, mean, variance)[0]
    scale = gamma * ops.rsqrt(variance + eps)
    return (x - ops.reshape(mean, (-1, 1, 1))) * ops.reshape(scale, (-1, 1, 1)) + ops.reshape(beta, (-1, 1, 1))


class _WithStatistics(nn.Cell):
    """Group normalization on a CPU of (t, c, h, w).

    Also returns its mean and variance, per channel (c,) and per group (groups,).
    """

    def construct(self, x, gamma, beta, groups, eps):
        t, c, h, w = x.shape
        ones, zeros = ops.ones((groups,), ms.float32), ops.zeros((groups,), ms.float32)
        # With momentum 0 the moving averages passed in are not updated.
        statistics = ops.BatchNorm(is_training=True, epsilon=eps, momentum=0.0)
        _, _, _, of_group, spread = statistics(
            ops.reshape(x, (t, groups, c // groups * h * w, 1)), ones, zeros, zeros, ones
        )
        each = _group_of_each(c, groups)
        mean, variance = ops.Gather()(of_group, each, 0), ops.Gather()(spread, each, 0)
        x = normalized(x, mean, variance, gamma, beta, eps)
        return x, mean, variance, of_group, spread

    def bprop(self, x, gamma, beta, groups, eps, out, dout):
        t, c, h, w = x.shape
        _, mean, variance, of_group, spread = out
        # By given statistics first: gradients of gamma and beta, and of x as if mean and variance were constants.
        constant = BatchNormGrad(is_training=False, epsilon=eps)
        of_x, of_gamma, of_beta = constant(dout[0], x, gamma, mean, variance, variance)[:3]
        # Then what passes through the statistics; the scale undoes a second division by the standard deviation.
        grouped = (t, groups, c // groups * h * w, 1)
        through = BatchNormGrad(is_training=True, epsilon=eps)
        scale = ops.sqrt(spread + eps)
        of_x = through(ops.reshape(of_x, grouped), ops.reshape(x, grouped), scale, of_group, spread, spread)[0]
        return ops.reshape(of_x, (t, c, h, w)), of_gamma, of_beta, 0, 0


def _portable(x, gamma, beta, groups, eps):
    (t, c, h, w), each = x.shape, x.shape[1] // groups
    x = ops.reshape(x, (t, groups, each * h * w))
    x = x - x.mean(axis=(0, 2), keep_dims=True)
    scale = ops.rsqrt(ops.square(x).mean(axis=(0, 2), keep_dims=True) + eps)
    # one factor a channel: autodiff keeps x less its mean, but no normalized values
    scale = ops.reshape(scale * ops.reshape(gamma, (1, groups, each)), (c, 1, 1))
    return ops.reshape(x, (t, c, h, w)) * scale + ops.reshape(beta, (c, 1, 1))


@constexpr
def _group_of_each(channels, groups):
    return ms.Tensor(np.repeat(np.arange(groups, dtype=np.int32), channels // groups))


group_norm = GroupNorm()
