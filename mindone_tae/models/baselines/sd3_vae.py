"""The image VAE of Stable Diffusion 3.5, from which a TAE is inflated and with which it is compared.

Frames are independent: the frames of all videos form one batch (n, c, h, w), n = t*b, and every norm is given n as its
batch size, so that its statistics are those of a frame.
"""

from __future__ import annotations

import mindspore as ms
from mindspore import nn, ops

from ..kernels.activation import silu
from ..kernels.recompute import recompute_blocks
from ..latent import shape
from ..latent.posterior import LatentModel
from ..latent.scaling import check_factors
from ..latent.shape import check_latents, check_pixels
from ..layers.attention import SpatialAttention
from ..layers.convolution import SpatialConv
from ..layers.dtypes import compute_dtype, network_input
from ..layers.frames import FramesCell
from ..layers.limits import check_network
from ..layers.normalization import GroupNorm
from ..layers.resampling import SpatialDownsample, SpatialUpsample, Unchanged
from ..pretrained import initialize, with_shipped


class ImageResnetBlock(nn.Cell):
    """Norm, SiLU, 3x3 convolution, twice, and the residual, through a 1x1 convolution where the width changes."""

    def __init__(self, in_channels, out_channels, norm_num_groups, dtype):
        super().__init__()
        self.norm1 = GroupNorm(in_channels, norm_num_groups, dtype=dtype)
        self.conv1 = SpatialConv(in_channels, out_channels, 3, padding=1, dtype=dtype)
        self.norm2 = GroupNorm(out_channels, norm_num_groups, dtype=dtype)
        self.conv2 = SpatialConv(out_channels, out_channels, 3, padding=1, dtype=dtype)
        self.has_shortcut = in_channels != out_channels
        if self.has_shortcut:
            self.nin_shortcut = SpatialConv(in_channels, out_channels, 1, dtype=dtype)

    def construct(self, x):
        """(n, c, h, w) to (n, out_channels, h, w)."""
        n = x.shape[0]
        y = self.conv1(silu(self.norm1(x, n)))
        y = self.conv2(silu(self.norm2(y, n)))
        if self.has_shortcut:
            x = self.nin_shortcut(x)
        return x + y


class ImageMidBlock(nn.Cell):
    """Residual block, attention over the pixels, residual block."""

    def __init__(self, channels, norm_num_groups, dtype):
        super().__init__()
        self.block_1 = ImageResnetBlock(channels, channels, norm_num_groups, dtype)
        self.attn_1 = SpatialAttention(channels, norm_num_groups, dtype)
        self.block_2 = ImageResnetBlock(channels, channels, norm_num_groups, dtype)

    def construct(self, x):
        """(n, c, h, w) to (n, c, h, w)."""
        x = self.block_1(x)
        return self.block_2(self.attn_1(x, x.shape[0]))


class ImageLevel(nn.Cell):
    """The residual blocks of one level, then `downsample`, `upsample` or, with neither, the same size."""

    def __init__(self, in_channels, out_channels, layers, norm_num_groups, dtype, resample=None):
        super().__init__()
        widths = [in_channels] + [out_channels] * layers
        self.block = nn.CellList(
            [ImageResnetBlock(i, o, norm_num_groups, dtype) for i, o in zip(widths[:-1], widths[1:])]
        )
        self.downsample = SpatialDownsample(out_channels, dtype) if resample == "down" else Unchanged()
        self.upsample = SpatialUpsample(out_channels, dtype) if resample == "up" else Unchanged()

    def construct(self, x):
        """(n, c, h, w) to (n, out_channels, h', w')."""
        for block in self.block:
            x = block(x)
        n = x.shape[0]
        return self.upsample(self.downsample(x, n), n)


class ImageEncoder(FramesCell):
    """Frames to the moments of their posteriors."""

    def __init__(self, in_channels, latent_channels, block_out_channels, layers_per_block, norm_num_groups, dtype):
        ends = {"in_channels": in_channels, "latent_channels": latent_channels}
        check_network(ends, block_out_channels, layers_per_block, norm_num_groups)
        super().__init__()
        widths = (block_out_channels[0], *block_out_channels)
        self.halvings = len(block_out_channels) - 1
        resample = ["down"] * self.halvings + [None]
        self.conv_in = SpatialConv(in_channels, widths[0], 3, padding=1, dtype=dtype)
        self.down = nn.CellList(
            [
                ImageLevel(widths[i], widths[i + 1], layers_per_block, norm_num_groups, dtype, resample[i])
                for i in range(len(block_out_channels))
            ]
        )
        self.mid = ImageMidBlock(widths[-1], norm_num_groups, dtype)
        self.norm_out = GroupNorm(widths[-1], norm_num_groups, dtype=dtype)
        self.conv_out = SpatialConv(widths[-1], 2 * latent_channels, 3, padding=1, dtype=dtype)
        self.dtype = dtype

    def frames(self, x, b):
        """(t*b, c, h, w) to (t*b, 2*zc, lh, lw), float32."""
        x = self.conv_in(network_input(x, self.dtype))
        for level in self.down:
            x = level(x)
        x = self.mid(x)
        x = self.conv_out(silu(self.norm_out(x, x.shape[0])))
        return ops.cast(x, ms.float32)


class ImageDecoder(FramesCell):
    """Latent frames to pixels."""

    def __init__(self, out_channels, latent_channels, block_out_channels, layers_per_block, norm_num_groups, dtype):
        ends = {"out_channels": out_channels, "latent_channels": latent_channels}
        check_network(ends, block_out_channels, layers_per_block, norm_num_groups)
        super().__init__()
        widths = (*block_out_channels, block_out_channels[-1])
        resample = [None] + ["up"] * (len(block_out_channels) - 1)
        self.conv_in = SpatialConv(latent_channels, widths[-1], 3, padding=1, dtype=dtype)
        self.mid = ImageMidBlock(widths[-1], norm_num_groups, dtype)
        self.up = nn.CellList(
            [
                ImageLevel(widths[i + 1], widths[i], layers_per_block + 1, norm_num_groups, dtype, resample[i])
                for i in range(len(block_out_channels))
            ]
        )
        self.norm_out = GroupNorm(widths[0], norm_num_groups, dtype=dtype)
        self.conv_out = SpatialConv(widths[0], out_channels, 3, padding=1, dtype=dtype)
        self.dtype = dtype

    def frames(self, z, b):
        """(t*b, zc, lh, lw) to (t*b, out_channels, h, w), float32."""
        x = self.mid(self.conv_in(network_input(z, self.dtype)))
        # by index: a slice would be a new CellList, which renames the parameters in it
        for i in range(len(self.up) - 1, -1, -1):
            x = self.up[i](x)
        x = self.conv_out(silu(self.norm_out(x, x.shape[0])))
        return ops.cast(x, ms.float32)


class SD3VAE(LatentModel, nn.Cell):
    """Stable Diffusion 3.5's image VAE over the frames of a video: 8x8 in space, nothing in time.

    Args:
        in_channels: pixel channels in.
        out_channels: pixel channels out.
        latent_channels: channels of the latent.
        block_out_channels: width of each level; every level but the last halves height and width.
        layers_per_block: residual blocks a level in the encoder; the decoder has one more.
        norm_num_groups: groups of every norm.
        scaling_factor: scales latents to about unit variance, see `scale_latents`.
        shift_factor: centres latents on zero, see `scale_latents`.
        pretrained: a diffusers `vae/` folder, or a .safetensors, .ckpt, .bin, .pt or .pth file in that or the original
            layout; None starts at random.
        dtype: the type computed in, "float32", "float16" or "bfloat16". Parameters, norms, softmax and results stay
            float32.
        sample_deterministic: take the posterior's mean for z instead of a sample.
        use_recompute: compute the residual blocks again in the backward pass instead of keeping their activations.
        start: "random" or "linear", as TemporalAutoencoder takes it.

    Raises:
        ValueError: for a width the norm groups do not divide, an unknown dtype, or one the device cannot compute in.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        latent_channels: int = 16,
        block_out_channels: tuple[int, ...] = (128, 256, 512, 512),
        layers_per_block: int = 2,
        norm_num_groups: int = 32,
        scaling_factor: float = 1.5305,
        shift_factor: float = 0.0609,
        pretrained: str | None = None,
        dtype: str = "float32",
        sample_deterministic: bool = False,
        use_recompute: bool = False,
        start: str = "random",
    ):
        sizes = (latent_channels, block_out_channels, layers_per_block, norm_num_groups, scaling_factor, shift_factor)
        latent_channels, block_out_channels, layers_per_block, norm_num_groups, scaling_factor, shift_factor = (
            with_shipped(pretrained, *sizes)
        )
        super().__init__()
        self.dtype = compute_dtype(dtype)
        shared = (latent_channels, block_out_channels, layers_per_block, norm_num_groups, self.dtype)
        self.encoder = ImageEncoder(in_channels, *shared)
        self.decoder = ImageDecoder(out_channels, *shared)
        self.in_channels = in_channels
        self.latent_channels = latent_channels
        self.scaling_factor, self.shift_factor = check_factors(scaling_factor, shift_factor)
        self.halvings = self.encoder.halvings
        self.sample_deterministic = sample_deterministic
        if use_recompute:
            recompute_blocks(self.encoder.down, self.encoder.mid)
            recompute_blocks(self.decoder.up, self.decoder.mid)
        initialize(self, pretrained, start, norm_num_groups)

    def encode(self, x: ms.Tensor, noise: ms.Tensor | None = None) -> tuple[ms.Tensor, ms.Tensor, ms.Tensor]:
        """Pixels to latent, as `TemporalAutoencoder.encode` but with a latent frame for every frame: lt = t."""
        check_pixels(x.shape, self.in_channels, self.halvings)
        return self._posterior(self.encoder(x), noise)

    def decode(
        self, z: ms.Tensor, num_target_frames: int | None = None, target_num_frames: int | None = None
    ) -> ms.Tensor:
        """Latent to pixels, as `TemporalAutoencoder.decode` but with a frame for every latent frame: t = lt."""
        check_latents(z.shape, self.latent_channels)
        frames = target_num_frames if num_target_frames is None else num_target_frames
        held = z.shape[2]
        if frames is not None and (frames < 1 or frames > held):
            raise ValueError(
                f"num_target_frames is {frames}; a latent of {held} frames holds 1 to {held}: ask for one of those"
            )
        return self.decoder(z if frames is None else z[:, :, :frames])

    def construct(self, x, noise=None):
        """(b, c, t, h, w) to recon, z, mean and logvar, as `TemporalAutoencoder` gives them."""
        z, mean, logvar = self.encode(x, noise)
        return self.decode(z), z, mean, logvar

    def latent_size(self, input_size: tuple[int, int, int]) -> tuple[int, int, int]:
        """(frames, height, width) of the latent of a video of (frames, height, width)."""
        return (input_size[0], *shape.latent_size(input_size, self.halvings)[1:])
