"""Group normalization of frames-major video, in float32."""

import mindspore as ms
from mindspore import ops

from .device import on_cpu


def group_norm(x, b, gamma, beta, groups, eps=1e-6):
    """Group normalization (Wu and He, 2018) whose statistics run over (t, h, w) together.

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
    rows, c, h, w = x.shape
    kind = x.dtype
    x = ops.reshape(ops.cast(x, ms.float32), (rows // b, b * groups, c // groups * h * w))
    x = ops.reshape(_standardized(x, eps), (rows // b, b * c, h, w))
    x = _scaled(x, _for_each(gamma, b), _for_each(beta, b))
    return ops.cast(ops.reshape(x, (rows, c, h, w)), kind)


def _for_each(values, b):
    return ops.tile(values, (b,)) if b > 1 else values


def _standardized(x, eps):
    """x (t, m, n) standardized over t and n: zero mean and unit variance."""
    if on_cpu():
        t, m, n = x.shape
        ones, zeros = ops.ones((m,), ms.float32), ops.zeros((m,), ms.float32)
        # with momentum 0 the moving averages passed in are not updated
        return ops.BatchNorm(is_training=True, epsilon=eps, momentum=0.0)(
            ops.reshape(x, (t, m, n, 1)), ones, zeros, zeros, ones
        )[0]
    x = x - x.mean(axis=(0, 2), keep_dims=True)
    return x * ops.rsqrt(ops.square(x).mean(axis=(0, 2), keep_dims=True) + eps)


def normalized(x, mean, variance, gamma, beta, eps):
    """x (n, c, h, w) normalized by a given mean and variance; they, gamma and beta are (c,), float32."""
    if on_cpu():
        return ops.BatchNorm(is_training=False, epsilon=eps)(x, gamma, beta, mean, variance)[0]
    scale = gamma * ops.rsqrt(variance + eps)
    return (x - ops.reshape(mean, (-1, 1, 1))) * ops.reshape(scale, (-1, 1, 1)) + ops.reshape(beta, (-1, 1, 1))


def _scaled(x, gamma, beta):
    if on_cpu():
        return normalized(x, ops.zeros_like(beta), ops.ones_like(gamma), gamma, beta, 1e-12)
    return x * ops.reshape(gamma, (-1, 1, 1)) + ops.reshape(beta, (-1, 1, 1))
