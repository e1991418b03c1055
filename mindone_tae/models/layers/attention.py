"""Single-head self-attention over the pixels of a frame, and over the frames of a pixel."""

import math

import mindspore as ms
from mindspore import Parameter, ops
from mindspore.common.initializer import HeUniform, initializer

from ..kernels.attention import attend, linear
from ..kernels.operands import computed, float32
from .convolution import SpatialConv
from .frames import FramesCell
from .normalization import GroupNorm
from .precision import OwnPrecision


class SpatialAttention(FramesCell):
    """Self-attention over h*w within each frame, with the residual.

    Args:
        channels: channels in and out.
        norm_num_groups: groups of the norm in front.
        dtype: the type computed in; norm, scores and softmax are float32.
    """

    def __init__(self, channels: int, norm_num_groups: int = 32, dtype=ms.float32):
        super().__init__()
        self.norm = GroupNorm(channels, norm_num_groups, dtype=dtype)
        self.q = SpatialConv(channels, channels, 1, dtype=dtype)
        self.k = SpatialConv(channels, channels, 1, dtype=dtype)
        self.v = SpatialConv(channels, channels, 1, dtype=dtype)
        self.proj_out = SpatialConv(channels, channels, 1, dtype=dtype)

    def frames(self, x, b):
        """(t*b, c, h, w) to (t*b, c, h, w)."""
        rows, c, h, w = x.shape
        y = self.norm(x, b)
        y = attend(self.tokens(self.q(y)), self.tokens(self.k(y)), self.tokens(self.v(y)))
        return x + self.proj_out(ops.reshape(ops.transpose(y, (0, 2, 1)), (rows, c, h, w)))

    def tokens(self, x):
        """(n, c, h, w) to (n, h*w, c)."""
        n, c, h, w = x.shape
        return ops.transpose(ops.reshape(x, (n, c, h * w)), (0, 2, 1))


class Linear(OwnPrecision):
    """y = x W^T + b over the last axis, with `weight` (out, in) and `bias` (out,)."""

    def __init__(self, channels, weight_init=None, dtype=ms.float32):
        super().__init__()
        weight_init = weight_init or HeUniform(math.sqrt(5))
        self.weight = Parameter(initializer(weight_init, (channels, channels), ms.float32), name="weight")
        self.bias = Parameter(initializer("zeros", (channels,), ms.float32), name="bias")
        self.dtype = dtype

    def construct(self, x):
        """(rows, c) to (rows, c)."""
        return linear(computed(x, self.dtype), float32(self.weight), float32(self.bias))


class TemporalAttention(FramesCell):
    """Self-attention over t at each pixel, with the residual.

    The output projection starts at zero, so that a new layer adds nothing.

    Args:
        channels: channels in and out.
        norm_num_groups: groups of the norm in front.
        dtype: the type computed in; norm, scores and softmax are float32.
    """

    def __init__(self, channels: int, norm_num_groups: int = 32, dtype=ms.float32):
        super().__init__()
        self.norm = GroupNorm(channels, norm_num_groups, dtype=dtype)
        self.to_q = Linear(channels, dtype=dtype)
        self.to_k = Linear(channels, dtype=dtype)
        self.to_v = Linear(channels, dtype=dtype)
        self.proj_out = Linear(channels, "zeros", dtype=dtype)

    def frames(self, x, b):
        """(t*b, c, h, w) to (t*b, c, h, w)."""
        rows, c, h, w = x.shape
        t, n = rows // b, b * h * w
        y = ops.reshape(self.norm(x, b), (t, b, c, h * w))
        y = ops.reshape(ops.transpose(y, (1, 3, 0, 2)), (n * t, c))  # (b*h*w*t, c)
        shape = (n, t, c)
        q, k, v = ops.reshape(self.to_q(y), shape), ops.reshape(self.to_k(y), shape), ops.reshape(self.to_v(y), shape)
        y = ops.reshape(self.proj_out(ops.reshape(attend(q, k, v), (n * t, c))), (b, h * w, t, c))
        return x + ops.reshape(ops.transpose(y, (2, 0, 3, 1)), (rows, c, h, w))
