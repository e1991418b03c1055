"""The Temporal Autoencoder as a model of mindone.diffusers, for unmodified pipelines.

Frames. Pipelines ask for (n - 1) // 8 + 1 latent frames for n frames, which equals the TAE's ceil(n / 8). The networks
they were written for are causal and decode lt latent frames to 8 * (lt - 1) + 1 frames; the TAE decodes them to 8 * lt,
so that a pipeline asked for n frames returns n rounded up to a multiple of 8, of which the first n are the wanted ones.
Wan rounds n to 8k + 1 first: ask it for 17, take 17 of 24.

Scaling. Wan and Cosmos unscale by latents_std and latents_mean, so with scale and shift: their generators are trained
on latents scaled in the convention "diffusers". HunyuanVideo and EasyAnimate divide by scaling_factor and have no
shift: theirs are trained on scaling_factor * z.
"""

from __future__ import annotations

import json
import os
from tempfile import TemporaryDirectory

import numpy as np

import mindspore as ms
from mindone.diffusers.configuration_utils import ConfigMixin, register_to_config
from mindone.diffusers.models.autoencoders.vae import DecoderOutput, DiagonalGaussianDistribution
from mindone.diffusers.models.modeling_outputs import AutoencoderKLOutput
from mindone.diffusers.models.modeling_utils import ModelMixin
from mindspore import ops

from mindone_tae.models.autoencoder import TemporalAutoencoder
from mindone_tae.models.latent.posterior import split_moments
from mindone_tae.models.layers.dtypes import compute_dtype
from mindone_tae.weights import save_diffusers_folder
from mindone_tae.weights.card import CARD, model_card, read_evaluation, write_card
from mindone_tae.zoo.errors import UserError

from .stock_loading import StockLoading
from .stock_options import StockOptions


class AutoencoderKLTAE(StockLoading, StockOptions, ModelMixin, ConfigMixin):
    """`TemporalAutoencoder` with the interface of a pipeline's VAE: the same network and parameter names.

    Parameters, norms, softmax and results are float32; `to(ms.float16)`, or mindspore_dtype in from_pretrained, sets
    the compute type, which `dtype` returns. Folders store weights in PyTorch's layout, and
    `TemporalAutoencoder(pretrained=folder)` reads them too.

    Args:
        in_channels: pixel channels in.
        out_channels: pixel channels out.
        latent_channels: channels of the latent.
        block_out_channels: width of each level; every level but the last halves time, height and width.
        layers_per_block: residual blocks per level in the encoder; the decoder has one more.
        norm_num_groups: groups of every norm.
        dropout: probability of dropping an element in training.
        scaling_factor: scales latents to about unit variance.
        shift_factor: centres latents on zero.
        latents_mean: mean of each latent channel, for pipelines that unscale by channel; None: shift_factor for all.
        latents_std: standard deviation of each latent channel; None: 1 / scaling_factor for all.
        use_recompute: recompute residual blocks in the backward pass, as after `enable_gradient_checkpointing()`.

    Raises:
        ValueError: a width is not a multiple of norm_num_groups, or the number of means or stds is not latent_channels.

    Attributes:
        diag_gauss_dist: object with `sample(moments, generator)` and `mode(moments)`.
        identity_dist: the same, under the name that Cosmos uses.
        temporal_compression_ratio: video frames per latent frame.
        spatial_compression_ratio: pixels per latent pixel, in height and in width.
        temperal_downsample: for each spatial halving, whether time is halved too; spelt as in Wan and Cosmos.
    """

    @register_to_config
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
        latents_mean: list[float] | None = None,
        latents_std: list[float] | None = None,
        use_recompute: bool = False,
    ):
        super().__init__()
        for name, values in (("latents_mean", latents_mean), ("latents_std", latents_std)):
            if values is not None and len(values) != latent_channels:
                raise ValueError(
                    f"{name} has {len(values)} values; it must have one for each latent channel: give {latent_channels}"
                )
        tae = TemporalAutoencoder(
            in_channels=in_channels,
            out_channels=out_channels,
            latent_channels=latent_channels,
            block_out_channels=block_out_channels,
            layers_per_block=layers_per_block,
            norm_num_groups=norm_num_groups,
            dropout=dropout,
            scaling_factor=scaling_factor,
            shift_factor=shift_factor,
            use_recompute=use_recompute,
            sample_deterministic=True,  # pipelines draw from the moments themselves
        )
        # not Cell's own __setattr__, which would prefix the parameters' names
        object.__setattr__(self, "_tae", tae)
        self.encoder = tae.encoder
        self.decoder = tae.decoder
        self.diag_gauss_dist = self.identity_dist = DiagonalGaussianDistribution()
        self.temporal_compression_ratio = self.spatial_compression_ratio = 2**tae.halvings
        self.temperal_downsample = [True] * tae.halvings
        self._recomputes = use_recompute

    def encode(self, x: ms.Tensor, return_dict: bool = False) -> AutoencoderKLOutput | tuple[ms.Tensor]:
        """Pixels to the moments of the posterior.

        Args:
            x: (b, c, t, h, w) in [-1, 1], a Tensor or a NumPy array; t >= 1, h and w multiples of 8.
            return_dict: return an AutoencoderKLOutput with the moments as `latent`.

        Returns:
            A tuple of the moments (b, 2*zc, lt, lh, lw), float32: mean and log-variance, lt = ceil(t/8); a NumPy array
            if x is one.

        Raises:
            ValueError: the network does not take the shape.
        """
        _, mean, logvar = self._tae.encode(x)
        moments = ops.cat((mean, logvar), 1) if isinstance(x, ms.Tensor) else np.concatenate((mean, logvar), 1)
        return AutoencoderKLOutput(latent=moments) if return_dict else (moments,)

    def decode(
        self, z: ms.Tensor, return_dict: bool = False, num_target_frames: int | None = None
    ) -> DecoderOutput | tuple[ms.Tensor]:
        """Latent to pixels.

        Args:
            z: (b, zc, lt, lh, lw), unscaled.
            return_dict: return a DecoderOutput with the pixels as `sample`.
            num_target_frames: frames to return; later ones are dropped. None returns all 8 * lt.

        Returns:
            A tuple of the pixels (b, c, t, h, w), float32, about [-1, 1] and not clipped.

        Raises:
            ValueError: z has not the shape of a latent, or more frames are requested than it holds.
        """
        recon = self._tae.decode(z, num_target_frames)
        return DecoderOutput(sample=recon) if return_dict else (recon,)

    def construct(self, sample, sample_posterior: bool = False, return_dict: bool = False, generator=None):
        """Encodes and decodes without tiles, so that gradients flow (tiles pass through the host).

        Args:
            sample: (b, c, t, h, w) in [-1, 1].
            sample_posterior: decode a sample of the posterior instead of its mean.
            return_dict: return a DecoderOutput.
            generator: numpy.random.Generator of the posterior's noise.

        Returns:
            A tuple of the reconstruction (b, c, t, h, w), float32, as long as `sample`.
        """
        moments = self.encoder(sample)
        z = self.diag_gauss_dist.sample(moments, generator) if sample_posterior else split_moments(moments)[0]
        recon = self.decoder(z)[:, :, : sample.shape[2]]
        return DecoderOutput(sample=recon) if return_dict else (recon,)

    @property
    def dtype(self) -> ms.Type:
        """The compute type."""
        return self._tae.dtype

    def to(self, dtype: ms.Type | None = None) -> AutoencoderKLTAE:
        """Computes in float32, float16 or bfloat16 from now on; parameters stay float32.

        Raises:
            ValueError: another type, or one that the device does not support.
        """
        if dtype is not None:
            self._tae.dtype = compute_dtype(dtype)
            for _, cell in (*self.encoder.cells_and_names(), *self.decoder.cells_and_names()):
                if "dtype" in vars(cell):
                    cell.dtype = self._tae.dtype
            self._tae.networks_changed()
            self.compile_cache.clear()
        return self

    def half(self) -> AutoencoderKLTAE:
        """Computes in float16 from now on."""
        return self.to(ms.float16)

    def float(self) -> AutoencoderKLTAE:
        """Computes in float32 from now on."""
        return self.to(ms.float32)

    def save_pretrained(
        self,
        save_directory: str | os.PathLike,
        is_main_process: bool = True,
        save_function=None,
        safe_serialization: bool = True,
        variant: str | None = None,
        max_shard_size: int | str = "10GB",
        push_to_hub: bool = False,
        **kwargs,
    ) -> None:
        """Writes config.json, the weights in PyTorch's layout, and a model card, each file atomically.

        A README.md that was written by hand is kept.

        Args:
            save_directory: created if missing.
            is_main_process: False writes nothing.
            save_function: not used, as in mindone.diffusers.
            safe_serialization: must be True.
            variant: part of the weights' file names, as in diffusion_pytorch_model.fp16.safetensors.
            max_shard_size: largest size of a file, in bytes or as text such as "5GB".
            push_to_hub: upload the folder to Hugging Face too.
            **kwargs: for the card: evaluation, an evaluation.json of `mindone-tae evaluate`, its folder or its content;
                data, what the weights were trained on, and under which licences. The others are for the upload:
                repo_id and what `push_to_hub()` takes.

        Raises:
            UserError: safe_serialization is False, the evaluation is missing, or the folder cannot be written.
        """
        if not safe_serialization:
            raise UserError("safe_serialization is False; weights are saved as .safetensors only: leave it out")
        evaluation, data = kwargs.pop("evaluation", None), kwargs.pop("data", None)
        name = kwargs.pop("repo_id", os.path.basename(os.path.normpath(save_directory)))
        if is_main_process:
            card = self._card(name, read_evaluation(evaluation), data)
            save_diffusers_folder(self, save_directory, json.loads(self.to_json_string()), variant, max_shard_size)
            write_card(save_directory, card)
        if push_to_hub:
            self.push_to_hub(
                name, variant=variant, evaluation=evaluation, data=data, max_shard_size=max_shard_size, **kwargs
            )

    def push_to_hub(
        self,
        repo_id: str,
        commit_message: str | None = None,
        private: bool | None = None,
        token: str | None = None,
        create_pr: bool = False,
        safe_serialization: bool = True,
        variant: str | None = None,
        subfolder: str | None = None,
        evaluation: str | os.PathLike | dict | None = None,
        data: str | None = None,
        max_shard_size: int | str = "10GB",
    ):
        """Uploads what `save_pretrained` writes to Hugging Face; a card that the repository has is kept.

        Args:
            repo_id: "organisation/name".
            commit_message: None takes "Upload AutoencoderKLTAE".
            private: of a new repository; None: as the organisation has it.
            token: None takes the one that `hf auth login` stored.
            create_pr: make a pull request instead of a commit.
            safe_serialization: must be True.
            variant: put into the weights' names.
            subfolder: of the repository.
            evaluation: as `save_pretrained` takes it.
            data: likewise.
            max_shard_size: likewise.

        Returns:
            What huggingface_hub gives of the commit.
        """
        import huggingface_hub

        repo_id = huggingface_hub.create_repo(repo_id, private=private, token=token, exist_ok=True).repo_id
        with TemporaryDirectory() as folder:
            self.save_pretrained(
                folder,
                safe_serialization=safe_serialization,
                variant=variant,
                repo_id=repo_id,
                evaluation=evaluation,
                data=data,
                max_shard_size=max_shard_size,
            )
            card = f"{subfolder}/{CARD}" if subfolder else CARD
            if huggingface_hub.file_exists(repo_id, card, token=token):
                os.remove(os.path.join(folder, CARD))
            return self._upload_folder(
                folder, repo_id, token=token, commit_message=commit_message, create_pr=create_pr, subfolder=subfolder
            )

    def _card(self, name, evaluation, data):
        loading = (
            f'from mindone_tae import AutoencoderKLTAE\nvae = AutoencoderKLTAE.from_pretrained("{name}")\n'
            "recon = vae(x)[0]  # or encode and decode, as pipelines call them"
        )
        return model_card(name, dict(self._internal_dict), loading, data, evaluation=evaluation)


# The module that a pipeline's save_pretrained writes into model_index.json and its loader imports; it must not change.
AutoencoderKLTAE.__module__ = __name__.partition(".")[0]
