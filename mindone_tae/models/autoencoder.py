"""The Temporal Autoencoder of Movie Gen (arXiv 2410.13720): 8x in time, 8x8 in space, 16 latent channels.

Letters used throughout: b batch, c pixel channels, t frames, h and w pixels; the latent is (b, zc, lt, lh, lw), with zc
channels. x is pixels, z the latent, recon the pixels decoded from it.
"""

from __future__ import annotations

import os
from functools import partial

import numpy as np

from mindspore import Tensor

from .decoder import Decoder
from .description import described
from .encoder import Encoder
from .given import Given, video_of, warn_of_first
from .kernels.device import compiling
from .latent import shape
from .latent.posterior import LatentModel
from .latent.scaling import check_factors
from .latent.shape import check_latents, check_pixels, size_to_generate, whole_number
from .layers.dtypes import check_floating, compute_dtype
from .layers.precision import OwnPrecision
from .pretrained import initialize, with_shipped
from .tiling.sizes import TileSizes
from .tiling.streaming import Streaming
from .tiling.tiling import Tiling


class TemporalAutoencoder(Streaming, Tiling, LatentModel, OwnPrecision):
    """A variational autoencoder for video and, as a video of one frame, images.

    Args:
        in_channels: pixel channels in.
        out_channels: pixel channels out.
        latent_channels: channels of the latent.
        block_out_channels: width of each level; every level but the last halves time, height and width.
        layers_per_block: residual blocks per level in the encoder; the decoder has one more.
        norm_num_groups: groups of every norm.
        dropout: probability of dropping an element in training.
        scaling_factor: scales latents to about unit variance, see `scale_latents`.
        shift_factor: centres latents on zero, see `scale_latents`.
        pretrained: a .ckpt, .safetensors, .bin, .pt or .pth file, a folder holding one, or "tiny" for the small weights
            shipped with the package, whose widths replace those given. None initializes at random, with temporal
            layers that are the identity.
        dtype: compute type, "float32", "float16" or "bfloat16". Parameters, norms, softmax, the posterior and
            results stay float32.
        sample_deterministic: take the posterior's mean for z instead of a sample.
        use_recompute: compute the residual blocks again in the backward pass instead of keeping their activations.
        use_tile: encode and decode in tiles, as after `enable_tiling()`.
        encode_tile: frames per tile in encoding.
        encode_overlap: frames that neighbouring tiles share in encoding.
        decode_tile: frames per tile in decoding.
        decode_overlap: frames that neighbouring tiles share in decoding, blended linearly.
        encode_dtype: the type the encoder computes in; None is dtype. Lower precision costs the encoder more quality
            than the decoder.
        decode_dtype: the type the decoder computes in; None is dtype.
        memory_budget_gb: GB that one pass's activations may take: encode and decode in tiles where they would take
            more, as after `enable_tiling(memory_budget_gb=...)`. None means no budget.
        share_statistics: where tiles divide frames, the norms use the statistics of the whole frames, in two passes.
        start: "random", or "linear" to initialize a new network as a linear code (see `models.layers.start`), which
            trains faster from scratch.

    Raises:
        ValueError: a width is not a multiple of norm_num_groups, dtype is unknown or not supported by the device, or
            tiles are not multiples of 8 frames or overlap completely.

    Attributes:
        out_channels: channels of the latent, as MindONE's Movie Gen expects; `decode` still returns the number of pixel
            channels that the keyword sets.
        scale_factor: scaling_factor, under the name that Movie Gen reads.
        get_latent_size: `latent_size` for Movie Gen, which calls it on the class; there it is the published network's.
    """

    get_latent_size = staticmethod(size_to_generate)

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        latent_channels: int = 16,
        block_out_channels: tuple[int, ...] = (128, 256, 512, 512),
        layers_per_block: int = 2,
        norm_num_groups: int = 32,
        dropout: float = 0.0,
        scaling_factor: float = 1.5305,
        shift_factor: float = 0.0609,
        pretrained: str | None = None,
        dtype: str = "float32",
        sample_deterministic: bool = False,
        use_recompute: bool = False,
        use_tile: bool = False,
        encode_tile: int = 32,
        encode_overlap: int = 0,
        decode_tile: int = 32,
        decode_overlap: int = 16,
        encode_dtype: str | None = None,
        decode_dtype: str | None = None,
        memory_budget_gb: float | None = None,
        share_statistics: bool = True,
        start: str = "random",
    ):
        sizes = (latent_channels, block_out_channels, layers_per_block, norm_num_groups, scaling_factor, shift_factor)
        latent_channels, block_out_channels, layers_per_block, norm_num_groups, scaling_factor, shift_factor = (
            with_shipped(pretrained, *sizes)
        )
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout is {dropout}; it must be 0 or more and below 1: the published model has 0")
        super().__init__()
        shared = (latent_channels, block_out_channels, layers_per_block, norm_num_groups, dropout)
        self.dtype = compute_dtype(dtype)
        encoder_dtype = compute_dtype(encode_dtype or dtype, "encode_dtype" if encode_dtype else "dtype")
        decoder_dtype = compute_dtype(decode_dtype or dtype, "decode_dtype" if decode_dtype else "dtype")
        self.encoder = Encoder(in_channels, *shared, dtype=encoder_dtype)
        self.decoder = Decoder(out_channels, *shared, dtype=decoder_dtype)
        self.in_channels = in_channels
        self.latent_channels = self.out_channels = latent_channels
        self.scaling_factor, self.shift_factor = check_factors(scaling_factor, shift_factor)
        self.scale_factor = scaling_factor
        self.block_out_channels = tuple(block_out_channels)
        self.halvings = self.encoder.halvings
        self.get_latent_size = partial(size_to_generate, halvings=self.halvings)
        frames = (encode_tile, encode_overlap, decode_tile, decode_overlap)
        self.set_tile_sizes(TileSizes(*frames, memory_budget_gb=memory_budget_gb, share_statistics=share_statistics))
        self._shared, self._called = {}, set()
        self.use_tiling = use_tile or memory_budget_gb is not None
        self.use_slicing = False
        self.sample_deterministic = sample_deterministic
        self._warned = self._looked = False
        self._pretrained = pretrained
        if use_recompute:
            self.encoder.recompute_blocks()
            self.decoder.recompute_blocks()
        initialize(self, pretrained, start, norm_num_groups)

    def encode(
        self, x: Tensor | np.ndarray, noise: Tensor | np.ndarray | None = None, pixels: str = "float"
    ) -> tuple[Tensor | np.ndarray, ...]:
        """Pixels to latent.

        Args:
            x: (b, c, t, h, w) in [-1, 1], a Tensor or a NumPy array; t >= 1, h and w multiples of 8.
            noise: (b, zc, lt, lh, lw), standard normal; None draws it.
            pixels: "uint8" for x of bytes from 0 to 255.

        Returns:
            z, mean and logvar, each (b, zc, lt, lh, lw), float32, lt = ceil(t/8); NumPy arrays if x is one. z is a
            sample of the posterior, or its mean with `sample_deterministic`.

        Raises:
            ValueError: the network does not take the shape, or x is not an array or Tensor of such pixels.
        """
        if pixels != "float" or not isinstance(x, Tensor):
            given = Given(x, "x", pixels)
            self._warned = self._warned or given.warn_if_far_outside()
            return tuple(map(given.back, self.encode(given.tensor, noise)))
        if noise is not None and not isinstance(noise, Tensor):
            noise = Given(noise, "noise").tensor
        check_pixels(x.shape, self.in_channels, self.halvings)
        check_floating(x, "x")
        if compiling():
            return self._posterior(self._in_slices("encode", x), noise)
        warn_of_first(self, x)
        return self._posterior(self._in_parts("encode", x, self.latent_size(x.shape[2:])[0]), noise)

    def decode(
        self, z: Tensor | np.ndarray, num_target_frames: int | None = None, target_num_frames: int | None = None
    ) -> Tensor | np.ndarray:
        """Latent to pixels.

        Args:
            z: (b, zc, lt, lh, lw), unscaled, a Tensor or a NumPy array.
            num_target_frames: frames to return; later ones are dropped. None returns all 8 * lt.
            target_num_frames: the same, under the name MindONE's pipelines use.

        Returns:
            (b, c, t, h, w), float32, about [-1, 1] and not clipped; a NumPy array if z is one.

        Raises:
            ValueError: z has not the shape of a latent or is not floating, or more frames are requested than it holds.
        """
        if not isinstance(z, Tensor):
            given = Given(z, "z")
            return given.back(self.decode(given.tensor, num_target_frames, target_num_frames))
        check_latents(z.shape, self.latent_channels)
        check_floating(z, "z")
        frames = target_num_frames if num_target_frames is None else num_target_frames
        if frames is not None and not isinstance(frames, int):
            frames = whole_number("num_target_frames", frames)
        held = z.shape[2] * 2**self.halvings
        if frames is None:
            frames = held
        if frames < 1 or frames > held:
            raise ValueError(
                f"num_target_frames is {frames}; a latent of {z.shape[2]} frames holds 1 to {held}: "
                "ask for one of those"
            )
        if not compiling():
            return self._in_parts("decode", z, frames)
        recon = self._in_slices("decode", z)
        return recon if frames == held else recon[:, :, :frames]

    def construct(self, x, noise=None):
        """Encodes and decodes whole videos, never in tiles: tiles pass through the host, which stops gradients.

        Args:
            x: (b, c, t, h, w) in [-1, 1].
            noise: as `encode` takes it.

        Returns:
            recon (b, c, t, h, w), z, mean and logvar.
        """
        check_pixels(x.shape, self.in_channels, self.halvings)
        z, mean, logvar = self._posterior(self.encoder(x), noise)
        recon = self.decoder(z)
        return (recon if recon.shape[2] == x.shape[2] else recon[:, :, : x.shape[2]]), z, mean, logvar

    def reconstruct(self, x: Tensor | np.ndarray | str | os.PathLike, pixels: str = "float") -> Tensor | np.ndarray:
        """Encodes and decodes with the posterior's mean, so deterministically; in tiles if tiling is on.

        Args:
            x: as `encode` takes it; or the path of a video or image, which is read whole at its own size.
            pixels: as `encode` takes it.

        Returns:
            (b, c, t, h, w), float32, or uint8 if pixels is "uint8"; a NumPy array if x is an array or a path.

        Raises:
            ValueError: as `encode`, or the file cannot be read.
        """
        given = Given(video_of(x), "x", pixels)
        self._warned = self._warned or given.warn_if_far_outside()
        _, mean, _ = self.encode(given.tensor)
        return given.pixels_back(self.decode(mean, given.tensor.shape[2]))

    def compute_in(self, dtype):
        """Sets the compute type, as a host's mixed precision does for any layer; each layer is called separately."""
        super().compute_in(dtype)
        self.networks_changed()

    def __repr__(self):
        return described(self, self._pretrained)

    def latent_size(self, input_size: tuple[int, int, int]) -> tuple[int, int, int]:
        """(frames, height, width) of the latent of a video of (frames, height, width)."""
        return shape.latent_size(input_size, self.halvings)
