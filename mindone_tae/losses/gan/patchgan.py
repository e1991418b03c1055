"""PatchGAN discriminators (Isola et al., arXiv 1611.07004): every logit judges one patch of pixels."""

import mindspore as ms
from mindspore import nn, ops
from mindspore.common.initializer import Normal

from mindone_tae.zoo.errors import UserError, require_within

from .discriminator import Discriminator

_SLOPE = 0.2
# Width doubles with every halving of the frame, up to this many times the first.
_WIDEST = 8
_GROUPS = 32
# A larger discriminator would fill a machine's memory by itself.
_MOST_CHANNELS, _MOST_LAYERS = 1024, 16
# Smallest side of the features before the last two convolutions, which do not halve.
_SMALLEST_FEATURES = 3


@ops.constexpr
def _check(shape, channels, halvings):
    smallest = _SMALLEST_FEATURES * 2**halvings
    if len(shape) != 5 or shape[1] != channels or min(shape[3:]) < smallest:
        raise UserError(
            f"the discriminator was given pixels of shape {shape}; with {halvings} layers it takes (b, {channels}, t, "
            f"h, w), h and w of at least {smallest}: use larger frames, or fewer discriminator.layers"
        )


class _PatchGAN(Discriminator):
    """Convolutions that halve the frame, two that do not, and the logits.

    The norms are group norms, over each sample by itself: with the paper's batch norms the logits of a clip would
    depend on the other clips of the batch and on the number of devices.

    A subclass has `convolution_type` and `kernel`, the size of its kernels.
    """

    def __init__(self, in_channels: int = 3, width: int = 64, layers: int = 3, objective: str = "hinge"):
        super().__init__(objective)
        require_within(1, _MOST_CHANNELS, in_channels, "in_channels", "the usual number is 3")
        require_within(1, _MOST_CHANNELS, width, "width", "the usual one is 64")
        require_within(1, _MOST_LAYERS, layers, "layers", "the usual number is 3")
        widths = [width * min(2**i, _WIDEST) for i in range(layers + 1)]
        self.first = self._convolution(in_channels, widths[0], stride=2, has_bias=True)
        pairs = list(zip(widths[:-1], widths[1:]))
        self.convs = nn.CellList(
            [self._convolution(a, b, 2 if i < layers - 1 else 1, has_bias=False) for i, (a, b) in enumerate(pairs)]
        )
        self.norms = nn.CellList([nn.GroupNorm(_groups(b), b, eps=1e-6) for b in widths[1:]])
        self.last = self._convolution(widths[-1], 1, stride=1, has_bias=True)
        self.in_channels = in_channels
        self.layers = layers

    def _convolution(self, a, b, stride, has_bias):
        common = {"pad_mode": "pad", "padding": 1, "weight_init": Normal(0.02), "bias_init": "zeros"}
        return self.convolution_type(a, b, self.kernel, stride, has_bias=has_bias, **common)

    def logits(self, x):
        """(n, c, ..., h, w) to (n, 1, ..., h', w')."""
        x = ops.leaky_relu(self.first(x), _SLOPE)
        for conv, norm in zip(self.convs, self.norms):
            x = conv(x)
            shape = x.shape
            # the norm takes four axes; its statistics run over all but the first, whatever their number
            x = ops.reshape(norm(ops.reshape(x, (shape[0], shape[1], -1, shape[-1]))), shape)
            x = ops.leaky_relu(x, _SLOPE)
        return self.last(x)


class PatchGAN2D(_PatchGAN):
    """PatchGAN over single frames.

    Args:
        in_channels: pixel channels.
        width: channels after the first convolution; they double with each one, up to 8 times.
        layers: convolutions that halve the frame; 3 make patches of 70 x 70 pixels.
        objective: "hinge" or "vanilla", see `Discriminator`.

    Raises:
        UserError: if a number is below 1 or the objective unknown.
    """

    convolution_type, kernel = nn.Conv2d, 4

    def construct(self, x):
        """Judges frames.

        Args:
            x: (b, c, t, h, w) in [-1, 1].

        Returns:
            logits (b*t, 1, h', w'), float32.

        Raises:
            UserError: for another number of channels, or frames too small for the layers.
        """
        _check(x.shape, self.in_channels, self.layers)
        b, c, t, h, w = x.shape
        frames = ops.transpose(ops.cast(x, ms.float32), (0, 2, 1, 3, 4))  # (b, t, c, h, w)
        return self.logits(ops.reshape(frames, (b * t, c, h, w)))


class PatchGAN3D(_PatchGAN):
    """PatchGAN over the clip: its patches have a length, so that it sees flicker and jumps that no single frame shows.

    As PatchGAN2D with kernels of three frames; time is halved where the frame is. A single frame is a clip too.

    Args:
        in_channels: pixel channels.
        width: channels after the first convolution; they double with each one, up to 8 times.
        layers: convolutions that halve frame and time; 3 make patches of 47 frames of 70 x 70 pixels.
        objective: "hinge" or "vanilla", see `Discriminator`.

    Raises:
        UserError: if a number is below 1 or the objective unknown.
    """

    convolution_type, kernel = nn.Conv3d, (3, 4, 4)

    def construct(self, x):
        """Judges clips.

        Args:
            x: (b, c, t, h, w) in [-1, 1].

        Returns:
            logits (b, 1, t', h', w'), float32.

        Raises:
            UserError: for another number of channels, or frames too small for the layers.
        """
        _check(x.shape, self.in_channels, self.layers)
        return self.logits(ops.cast(x, ms.float32))


def _groups(channels):
    """The largest number of groups up to 32 that divides the channels and leaves two or more in each."""
    return max(
        groups for groups in range(1, _GROUPS + 1) if channels % groups == 0 and (channels // groups > 1 or groups == 1)
    )
