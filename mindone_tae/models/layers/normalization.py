"""GroupNorm over frames-major video, in float32 whatever the network computes in."""

import mindspore as ms
from mindspore import Parameter
from mindspore.common.initializer import initializer

from ..kernels.norm import group_norm
from ..kernels.operands import computed, float32
from .frames import FramesCell


class GroupNorm(FramesCell):
    """Group normalization (Wu and He, 2018) whose statistics run over (t, h, w) together.

    Args:
        num_channels: channels in and out.
        num_groups: groups the channels are split into.
        eps: added to the variance.
        dtype: the type of the result; the arithmetic is float32.

    Raises:
        ValueError: if the channels do not split into the groups.
    """

    def __init__(self, num_channels: int, num_groups: int = 32, eps: float = 1e-6, dtype=ms.float32):
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(
                f"norm_num_groups is {num_groups}; it must divide every width of the network, and {num_channels} is "
                f"one: use a divisor of {num_channels}"
            )
        self.gamma = Parameter(initializer("ones", (num_channels,), ms.float32), name="gamma")
        self.beta = Parameter(initializer("zeros", (num_channels,), ms.float32), name="beta")
        self.num_groups = num_groups
        self.eps = eps
        self.dtype = dtype

    def frames(self, x, b):
        """(t*b, c, h, w) to (t*b, c, h, w)."""
        x = computed(x, self.dtype)
        return group_norm(x, b, float32(self.gamma), float32(self.beta), self.num_groups, self.eps)
