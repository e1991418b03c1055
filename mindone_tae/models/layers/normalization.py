"""GroupNorm over frames-major video, in float32 whatever the network computes in."""

import mindspore as ms
from mindspore import Parameter, ops
from mindspore.common.initializer import initializer

from .frames import FramesCell


class GroupNorm(FramesCell):
    """Group normalization (Wu and He, 2018) whose statistics run over (t, h, w) together.

    Args:
        num_channels: channels in and out.
        num_groups: groups the channels are split into.
        eps: added to the variance.
        dtype: the type given back; the arithmetic is float32.

    Raises:
        ValueError: if the channels do not split into the groups.
    """

    def __init__(self, num_channels: int, num_groups: int = 32, eps: float = 1e-6, dtype=ms.float32):
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(
                f"norm_num_groups is {num_groups}; it must divide every width of the network, and {num_channels} is one: "
                f"use a divisor of {num_channels}"
            )
        self.gamma = Parameter(initializer("ones", (num_channels,), ms.float32), name="gamma")
        self.beta = Parameter(initializer("zeros", (num_channels,), ms.float32), name="beta")
        # momentum 0 leaves the moving averages it is given alone
        self.normalize = ops.BatchNorm(is_training=True, epsilon=eps, momentum=0.0)
        self.scale = ops.BatchNorm(is_training=False, epsilon=1e-12)
        self.num_groups = num_groups
        self.eps = eps
        self.dtype = dtype

    def frames(self, x, b):
        """(t*b, c, h, w) to (t*b, c, h, w)."""
        return self.compute(x, b, self.gamma, self.beta)

    def compute(self, x, b, gamma, beta):
        """As `frames`, with parameters from outside."""
        rows, c, h, w = x.shape
        t, g = rows // b, self.num_groups
        x = ops.reshape(ops.cast(x, ms.float32), (t, b * g, c // g * h * w, 1))
        ones, zeros = ops.ones((b * g,), ms.float32), ops.zeros((b * g,), ms.float32)
        x = ops.reshape(self.normalize(x, ones, zeros, zeros, ones)[0], (t, b * c, h, w))
        # parameters are float32 unless MindSpore's mixed precision, put around a network, casts them in its graph
        gamma, beta = ops.cast(gamma, ms.float32), ops.cast(beta, ms.float32)
        if b > 1:
            gamma, beta = ops.tile(gamma, (b,)), ops.tile(beta, (b,))
        ones, zeros = ops.ones((b * c,), ms.float32), ops.zeros((b * c,), ms.float32)
        x = self.scale(x, gamma, beta, zeros, ones)[0]
        return ops.cast(ops.reshape(x, (rows, c, h, w)), self.dtype)
