"""The TAE written like the published example: the benchmark's reference, and an independent check of values.

Every convolution of 2.5 dimensions goes (b, c, t, h, w) -> (b*t, c, h, w) -> (b*h*w, c, t) and back, with stock layers
and padding of their own. It shares only the names of parameters with `mindone_tae.models`, so that weights can be
exchanged. Letters as there: b batch, c channels, t frames, h and w pixels.
"""

import mindspore as ms
from mindspore import nn, ops


def to_images(x):
    """(b, c, t, h, w) to (b*t, c, h, w)."""
    b, c, t, h, w = x.shape
    return ops.reshape(ops.transpose(x, (0, 2, 1, 3, 4)), (b * t, c, h, w))


def from_images(x, b):
    """(b*t, c, h, w) to (b, c, t, h, w)."""
    n, c, h, w = x.shape
    return ops.transpose(ops.reshape(x, (b, n // b, c, h, w)), (0, 2, 1, 3, 4))


def to_lines(x):
    """(b, c, t, h, w) to (b*h*w, c, t)."""
    b, c, t, h, w = x.shape
    return ops.reshape(ops.transpose(x, (0, 3, 4, 1, 2)), (b * h * w, c, t))


def from_lines(x, b, h, w):
    """(b*h*w, c, t) to (b, c, t, h, w)."""
    _, c, t = x.shape
    return ops.transpose(ops.reshape(x, (b, h, w, c, t)), (0, 3, 4, 1, 2))


def conv2d(in_channels, out_channels, kernel_size, stride=1, padding=0):
    """A stock convolution with a bias."""
    return nn.Conv2d(
        in_channels, out_channels, kernel_size, stride=stride, pad_mode="pad", padding=padding, has_bias=True
    )


def conv1d(channels, kernel_size, stride=1):
    """A stock convolution over the last axis, unpadded, with a bias."""
    return nn.Conv1d(channels, channels, kernel_size, stride=stride, pad_mode="valid", has_bias=True)


class GroupNorm(nn.GroupNorm):
    """The stock norm, over five axes."""

    def __init__(self, channels, groups):
        super().__init__(groups, channels, eps=1e-6)

    def construct(self, x):
        b, c, t, h, w = x.shape
        return ops.reshape(super().construct(ops.reshape(x, (b, c, t * h, w))), (b, c, t, h, w))


class Conv2_5d(nn.Cell):
    """A spatial convolution, then a temporal one."""

    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.conv_spat = conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.conv_temp = conv1d(out_channels, kernel_size)
        self.pads = kernel_size > 1

    def construct(self, x):
        b = x.shape[0]
        x = from_images(self.conv_spat(to_images(x)), b)
        h, w = x.shape[3:]
        x = to_lines(x)
        if self.pads:
            x = ops.cat((x[:, :, :1], x, x[:, :, -1:]), axis=2)
        return from_lines(self.conv_temp(x), b, h, w)


class ResnetBlock(nn.Cell):
    """Norm, SiLU, convolution, twice, and the residual."""

    def __init__(self, in_channels, out_channels, groups):
        super().__init__()
        self.norm1 = GroupNorm(in_channels, groups)
        self.conv1 = Conv2_5d(in_channels, out_channels)
        self.norm2 = GroupNorm(out_channels, groups)
        self.conv2 = Conv2_5d(out_channels, out_channels)
        self.widens = in_channels != out_channels
        if self.widens:
            self.nin_shortcut = Conv2_5d(in_channels, out_channels, 1)

    def construct(self, x):
        y = self.conv1(ops.silu(self.norm1(x)))
        y = self.conv2(ops.silu(self.norm2(y)))
        return (self.nin_shortcut(x) if self.widens else x) + y


def attention(q, k, v):
    """Softmax attention over the middle axis of (n, length, c)."""
    scores = ops.bmm(q, ops.transpose(k, (0, 2, 1))) * q.shape[-1] ** -0.5
    return ops.bmm(ops.softmax(scores, axis=-1), v)


class SpatialAttention(nn.Cell):
    """Attention over the pixels of a frame."""

    def __init__(self, channels, groups):
        super().__init__()
        self.norm = GroupNorm(channels, groups)
        self.q = conv2d(channels, channels, 1)
        self.k = conv2d(channels, channels, 1)
        self.v = conv2d(channels, channels, 1)
        self.proj_out = conv2d(channels, channels, 1)

    def construct(self, x):
        b = x.shape[0]
        y = to_images(self.norm(x))
        n, c, h, w = y.shape
        q, k, v = [ops.transpose(ops.reshape(f(y), (n, c, h * w)), (0, 2, 1)) for f in (self.q, self.k, self.v)]
        y = ops.reshape(ops.transpose(attention(q, k, v), (0, 2, 1)), (n, c, h, w))
        return x + from_images(self.proj_out(y), b)


class TemporalAttention(nn.Cell):
    """Attention over the frames of a pixel."""

    def __init__(self, channels, groups):
        super().__init__()
        self.norm = GroupNorm(channels, groups)
        self.to_q = nn.Dense(channels, channels)
        self.to_k = nn.Dense(channels, channels)
        self.to_v = nn.Dense(channels, channels)
        self.proj_out = nn.Dense(channels, channels)

    def construct(self, x):
        b, _, _, h, w = x.shape
        y = ops.transpose(to_lines(self.norm(x)), (0, 2, 1))  # (b*h*w, t, c)
        y = self.proj_out(attention(self.to_q(y), self.to_k(y), self.to_v(y)))
        return x + from_lines(ops.transpose(y, (0, 2, 1)), b, h, w)


class MidBlock(nn.Cell):
    """Residual block, both attentions, residual block."""

    def __init__(self, channels, groups):
        super().__init__()
        self.block_1 = ResnetBlock(channels, channels, groups)
        self.attn_1 = nn.CellList([SpatialAttention(channels, groups), TemporalAttention(channels, groups)])
        self.block_2 = ResnetBlock(channels, channels, groups)

    def construct(self, x):
        return self.block_2(self.attn_1[1](self.attn_1[0](self.block_1(x))))


class SpatialDownsample(nn.Cell):
    """Pad right and bottom, then a convolution of stride 2."""

    def __init__(self, channels):
        super().__init__()
        self.conv = conv2d(channels, channels, 3, stride=2)

    def construct(self, x):
        return from_images(self.conv(ops.pad(to_images(x), (0, 1, 0, 1))), x.shape[0])


class TemporalDownsample(nn.Cell):
    """Repeat both ends, then a convolution of stride 2."""

    def __init__(self, channels):
        super().__init__()
        self.conv = conv1d(channels, 3, stride=2)

    def construct(self, x):
        b, _, _, h, w = x.shape
        x = to_lines(x)
        return from_lines(self.conv(ops.cat((x[:, :, :1], x, x[:, :, -1:]), axis=2)), b, h, w)


class SpatialUpsample(nn.Cell):
    """Nearest, then a convolution."""

    def __init__(self, channels):
        super().__init__()
        self.conv = conv2d(channels, channels, 3, padding=1)

    def construct(self, x):
        h, w = x.shape[3:]
        return from_images(self.conv(ops.ResizeNearestNeighbor((2 * h, 2 * w))(to_images(x))), x.shape[0])


class TemporalUpsample(nn.Cell):
    """Nearest, zeros past both ends, then a convolution."""

    def __init__(self, channels):
        super().__init__()
        self.conv = conv1d(channels, 3)

    def construct(self, x):
        b, _, _, h, w = x.shape
        x = to_lines(x)
        n, c, t = x.shape
        x = ops.reshape(ops.ResizeNearestNeighbor((2 * t, 1))(ops.reshape(x, (n, c, t, 1))), (n, c, 2 * t))
        return from_lines(self.conv(ops.pad(x, (1, 1))), b, h, w)


class DownLevel(nn.Cell):
    """Residual blocks, then half of everything."""

    def __init__(self, widths, last, groups):
        super().__init__()
        self.block = nn.CellList([ResnetBlock(i, o, groups) for i, o in zip(widths[:-1], widths[1:])])
        self.halves = not last
        if self.halves:
            self.downsample_spat = SpatialDownsample(widths[-1])
            self.downsample_temp = TemporalDownsample(widths[-1])

    def construct(self, x):
        for block in self.block:
            x = block(x)
        return self.downsample_temp(self.downsample_spat(x)) if self.halves else x


class UpLevel(nn.Cell):
    """Residual blocks, then twice of everything."""

    def __init__(self, widths, last, groups):
        super().__init__()
        self.block = nn.CellList([ResnetBlock(i, o, groups) for i, o in zip(widths[:-1], widths[1:])])
        self.doubles = not last
        if self.doubles:
            self.upsample_spat = SpatialUpsample(widths[-1])
            self.upsample_temp = TemporalUpsample(widths[-1])

    def construct(self, x):
        for block in self.block:
            x = block(x)
        return self.upsample_temp(self.upsample_spat(x)) if self.doubles else x


class Encoder(nn.Cell):
    """Pixels (b, 3, t, h, w) to moments (b, 2*zc, lt, lh, lw)."""

    def __init__(self, widths, layers, groups, latent_channels):
        super().__init__()
        ins, last = (widths[0], *widths), len(widths) - 1
        self.conv_in = Conv2_5d(3, widths[0])
        self.down = nn.CellList(
            [DownLevel([ins[i]] + [widths[i]] * layers, i == last, groups) for i in range(len(widths))]
        )
        self.mid = MidBlock(widths[-1], groups)
        self.norm_out = GroupNorm(widths[-1], groups)
        self.conv_out = Conv2_5d(widths[-1], 2 * latent_channels)

    def construct(self, x):
        x = self.conv_in(x)
        for level in self.down:
            x = level(x)
        return self.conv_out(ops.silu(self.norm_out(self.mid(x))))


class Decoder(nn.Cell):
    """Latent (b, zc, lt, lh, lw) to pixels (b, 3, t, h, w)."""

    def __init__(self, widths, layers, groups, latent_channels):
        super().__init__()
        ins = (*widths[1:], widths[-1])
        self.conv_in = Conv2_5d(latent_channels, widths[-1])
        self.mid = MidBlock(widths[-1], groups)
        self.up = nn.CellList(
            [UpLevel([ins[i]] + [widths[i]] * (layers + 1), i == 0, groups) for i in range(len(widths))]
        )
        self.norm_out = GroupNorm(widths[0], groups)
        self.conv_out = Conv2_5d(widths[0], 3)

    def construct(self, z):
        x = self.mid(self.conv_in(z))
        for i in range(len(self.up) - 1, -1, -1):  # a reversed slice of a CellList would rename its parameters
            x = self.up[i](x)
        return self.conv_out(ops.silu(self.norm_out(x)))


class PlainTAE(nn.Cell):
    """The whole network; called as `TemporalAutoencoder` is in training."""

    def __init__(
        self, block_out_channels=(128, 256, 512, 512), layers_per_block=2, norm_num_groups=32, latent_channels=16
    ):
        super().__init__()
        self.encoder = Encoder(block_out_channels, layers_per_block, norm_num_groups, latent_channels)
        self.decoder = Decoder(block_out_channels, layers_per_block, norm_num_groups, latent_channels)

    def construct(self, x, noise):
        mean, logvar = ops.chunk(self.encoder(x), 2, axis=1)
        logvar = ops.clamp(logvar, -30.0, 20.0)
        z = mean + ops.exp(0.5 * logvar) * noise
        return self.decoder(z)[:, :, : x.shape[2]], z, mean, logvar


def copy_parameters(source, target):
    """Gives `target` the parameters of `source`, by name.

    Raises:
        ValueError: unless both have the same names and shapes.
    """
    theirs = {parameter.name: parameter for parameter in source.get_parameters()}
    ours = {parameter.name: parameter for parameter in target.get_parameters()}
    differing = [
        name
        for name in {*theirs, *ours}
        if name not in theirs or name not in ours or theirs[name].shape != ours[name].shape
    ]
    if differing:
        raise ValueError(
            f"parameters differ: {', '.join(sorted(differing)[:5])}; both must have the same names and shapes"
        )
    for name, parameter in ours.items():
        parameter.set_data(ms.Tensor(theirs[name].asnumpy()))
