"""A discriminator that judges each frame by itself: `discriminator: {name: frame_critic}` in a recipe."""

import mindspore as ms
from mindspore import nn, ops


class FrameCritic(nn.Cell):
    """One strided convolution and one to logits, with Wasserstein's losses.

    Args:
        in_channels: pixel channels.
        width: channels in between.
    """

    def __init__(self, in_channels: int = 3, width: int = 16):
        super().__init__()
        self.features = nn.Conv2d(in_channels, width, 4, 2, pad_mode="pad", padding=1, has_bias=True)
        self.logits = nn.Conv2d(width, 1, 3, pad_mode="pad", padding=1, has_bias=True)

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        """Pixels (b, c, t, h, w) in [-1, 1] to logits (b*t, 1, h/2, w/2)."""
        b, c, t, h, w = x.shape
        frames = x.transpose(0, 2, 1, 3, 4).reshape(b * t, c, h, w)
        return self.logits(ops.leaky_relu(self.features(frames), 0.2))

    def generator_loss(self, fake: ms.Tensor) -> ms.Tensor:
        """What the model pays for the logits of its reconstruction."""
        return -fake.mean()

    def discriminator_loss(self, real: ms.Tensor, fake: ms.Tensor) -> ms.Tensor:
        """What the discriminator pays."""
        return fake.mean() - real.mean()
