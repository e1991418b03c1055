"""The TAE in eager PyTorch, written like the published example, for the benchmark.

Parameters have the names of `mindone_tae`, except for PyTorch's weight and bias in place of gamma and beta; Conv1d's
kernels are (c, c, k) where MindSpore has (c, c, 1, k).
"""

import torch
from torch import nn
from torch.nn import functional as F


class Conv2_5d(nn.Module):
    """A spatial convolution, then a temporal one."""

    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        self.conv_spat = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.conv_temp = nn.Conv1d(
            out_channels, out_channels, kernel_size, padding=kernel_size // 2, padding_mode="replicate"
        )

    def forward(self, x):
        return over_lines(over_images(x, self.conv_spat), self.conv_temp)


def over_images(x, layer):
    """Applies a layer of (n, c, h, w) to the frames of (b, c, t, h, w)."""
    b = x.shape[0]
    y = layer(x.transpose(1, 2).flatten(0, 1))
    return y.unflatten(0, (b, -1)).transpose(1, 2)


def over_lines(x, layer):
    """Applies a layer of (n, c, t) to the pixels of (b, c, t, h, w)."""
    b, _, _, h, w = x.shape
    y = layer(x.permute(0, 3, 4, 1, 2).flatten(0, 2))
    return y.unflatten(0, (b, h, w)).permute(0, 3, 4, 1, 2)


class ResnetBlock(nn.Module):
    """Norm, SiLU, convolution, twice, and the residual."""

    def __init__(self, in_channels, out_channels, groups):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels, eps=1e-6)
        self.conv1 = Conv2_5d(in_channels, out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels, eps=1e-6)
        self.conv2 = Conv2_5d(out_channels, out_channels)
        self.nin_shortcut = Conv2_5d(in_channels, out_channels, 1) if in_channels != out_channels else nn.Identity()

    def forward(self, x):
        y = self.conv1(F.silu(self.norm1(x)))
        return self.nin_shortcut(x) + self.conv2(F.silu(self.norm2(y)))


class SpatialAttention(nn.Module):
    """Attention over the pixels of a frame."""

    def __init__(self, channels, groups):
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.q, self.k, self.v, self.proj_out = [nn.Conv2d(channels, channels, 1) for _ in range(4)]

    def forward(self, x):
        return x + over_images(self.norm(x), self.attend)

    def attend(self, x):
        """(n, c, h, w) to (n, c, h, w)."""
        q, k, v = [layer(x).flatten(2).transpose(1, 2) for layer in (self.q, self.k, self.v)]
        return self.proj_out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).unflatten(2, x.shape[2:]))


class TemporalAttention(nn.Module):
    """Attention over the frames of a pixel."""

    def __init__(self, channels, groups):
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.to_q, self.to_k, self.to_v, self.proj_out = [nn.Linear(channels, channels) for _ in range(4)]

    def forward(self, x):
        return x + over_lines(self.norm(x), self.attend)

    def attend(self, x):
        """(n, c, t) to (n, c, t)."""
        x = x.transpose(1, 2)
        y = F.scaled_dot_product_attention(self.to_q(x), self.to_k(x), self.to_v(x))
        return self.proj_out(y).transpose(1, 2)


class MidBlock(nn.Module):
    """Residual block, both attentions, residual block."""

    def __init__(self, channels, groups):
        super().__init__()
        self.block_1 = ResnetBlock(channels, channels, groups)
        self.attn_1 = nn.Sequential(SpatialAttention(channels, groups), TemporalAttention(channels, groups))
        self.block_2 = ResnetBlock(channels, channels, groups)

    def forward(self, x):
        return self.block_2(self.attn_1(self.block_1(x)))


class SpatialDownsample(nn.Module):
    """Pad right and bottom, then a convolution of stride 2."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x):
        return over_images(x, lambda frames: self.conv(F.pad(frames, (0, 1, 0, 1))))


class TemporalDownsample(nn.Module):
    """A convolution of stride 2 over repeated ends."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, 3, stride=2, padding=1, padding_mode="replicate")

    def forward(self, x):
        return over_lines(x, self.conv)


class SpatialUpsample(nn.Module):
    """Nearest, then a convolution."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return over_images(x, lambda frames: self.conv(F.interpolate(frames, scale_factor=2, mode="nearest")))


class TemporalUpsample(nn.Module):
    """Nearest, then a convolution over zeros past the ends."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, 3, padding=1)

    def forward(self, x):
        return over_lines(x, lambda lines: self.conv(F.interpolate(lines, scale_factor=2, mode="nearest")))


class Level(nn.Module):
    """Residual blocks, then the resampling of space and of time, where there is any."""

    def __init__(self, widths, groups, resampling):
        super().__init__()
        self.block = nn.Sequential(*[ResnetBlock(i, o, groups) for i, o in zip(widths[:-1], widths[1:])])
        for name, layer in resampling.items():
            self.add_module(name, layer(widths[-1]))

    def forward(self, x):
        for layer in self.children():
            x = layer(x)
        return x


class Encoder(nn.Module):
    """Pixels (b, 3, t, h, w) to moments (b, 2*zc, lt, lh, lw)."""

    def __init__(self, widths, layers, groups, latent_channels):
        super().__init__()
        ins, last = (widths[0], *widths), len(widths) - 1
        halving = {"downsample_spat": SpatialDownsample, "downsample_temp": TemporalDownsample}
        self.conv_in = Conv2_5d(3, widths[0])
        self.down = nn.Sequential(
            *[Level([ins[i]] + [widths[i]] * layers, groups, {} if i == last else halving) for i in range(len(widths))]
        )
        self.mid = MidBlock(widths[-1], groups)
        self.norm_out = nn.GroupNorm(groups, widths[-1], eps=1e-6)
        self.conv_out = Conv2_5d(widths[-1], 2 * latent_channels)

    def forward(self, x):
        return self.conv_out(F.silu(self.norm_out(self.mid(self.down(self.conv_in(x))))))


class Decoder(nn.Module):
    """Latent (b, zc, lt, lh, lw) to pixels (b, 3, t, h, w)."""

    def __init__(self, widths, layers, groups, latent_channels):
        super().__init__()
        ins = (*widths[1:], widths[-1])
        doubling = {"upsample_spat": SpatialUpsample, "upsample_temp": TemporalUpsample}
        self.conv_in = Conv2_5d(latent_channels, widths[-1])
        self.mid = MidBlock(widths[-1], groups)
        self.up = nn.ModuleList(
            [Level([ins[i]] + [widths[i]] * (layers + 1), groups, doubling if i else {}) for i in range(len(widths))]
        )
        self.norm_out = nn.GroupNorm(groups, widths[0], eps=1e-6)
        self.conv_out = Conv2_5d(widths[0], 3)

    def forward(self, z):
        x = self.mid(self.conv_in(z))
        for level in reversed(self.up):
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class TorchTAE(nn.Module):
    """The whole network; called as `TemporalAutoencoder` is in training."""

    def __init__(
        self, block_out_channels=(128, 256, 512, 512), layers_per_block=2, norm_num_groups=32, latent_channels=16
    ):
        super().__init__()
        self.encoder = Encoder(block_out_channels, layers_per_block, norm_num_groups, latent_channels)
        self.decoder = Decoder(block_out_channels, layers_per_block, norm_num_groups, latent_channels)

    def forward(self, x, noise):
        mean, logvar = self.encoder(x).chunk(2, dim=1)
        logvar = logvar.clamp(-30.0, 20.0)
        z = mean + torch.exp(0.5 * logvar) * noise
        return self.decoder(z)[:, :, : x.shape[2]], z, mean, logvar
