"""Stock pipelines of mindone.diffusers with a TAE as VAE and a minimal transformer: run, save, load, run again."""

import contextlib
import json

import numpy as np
import pytest

import mindspore as ms
from mindone.diffusers import (
    DiffusionPipeline,
    EasyAnimatePipeline,
    FlowMatchEulerDiscreteScheduler,
    HunyuanVideoPipeline,
    ModelMixin,
    WanPipeline,
)
from mindone.diffusers.configuration_utils import ConfigMixin, register_to_config
from mindspore import Parameter

from mindone_tae import AutoencoderKLTAE, TemporalAutoencoder

SIDE = 16


class Transformer(ModelMixin, ConfigMixin):
    """Predicts its input times a number: what stock pipelines ask of a transformer, and no more."""

    @register_to_config
    def __init__(
        self,
        in_channels: int = 16,
        attention_head_dim: int = 8,
        enable_text_attention_mask: bool = True,
        time_position_encoding_type: str = "3d_rope",
    ):
        super().__init__()
        self.gain = Parameter(ms.Tensor([0.5], ms.float32), name="gain")

    @contextlib.contextmanager
    def cache_context(self, name):
        yield

    def construct(self, hidden_states, timestep=None, **_):
        return (hidden_states * self.gain,)


def hunyuan_video(vae):
    nothing = dict.fromkeys(("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2"))
    return HunyuanVideoPipeline(
        vae=vae, transformer=Transformer(), scheduler=FlowMatchEulerDiscreteScheduler(), **nothing
    )


def wan(vae):
    nothing = dict.fromkeys(("text_encoder", "tokenizer"))
    return WanPipeline(vae=vae, transformer=Transformer(), scheduler=FlowMatchEulerDiscreteScheduler(), **nothing)


def easy_animate(vae):
    nothing = dict.fromkeys(("text_encoder", "tokenizer"))
    return EasyAnimatePipeline(
        vae=vae, transformer=Transformer(), scheduler=FlowMatchEulerDiscreteScheduler(), **nothing
    )


def load(folder, like, **keywords):
    """A saved pipeline; what it never had is said again, as stock code wants it."""
    absent = {name: None for name, component in like.components.items() if component is None}
    return DiffusionPipeline.from_pretrained(folder, **absent, **keywords)


def run(pipeline, num_frames, output_type="np"):
    """Two steps from the same noise, with embeddings in place of a prompt."""
    embeddings = {"prompt_embeds": ms.ops.ones((1, 4, 8))}
    if isinstance(pipeline, HunyuanVideoPipeline):
        embeddings.update(pooled_prompt_embeds=ms.ops.ones((1, 8)), prompt_attention_mask=ms.ops.ones((1, 4)))
    else:
        embeddings.update(negative_prompt_embeds=ms.ops.zeros((1, 4, 8)))
    if isinstance(pipeline, EasyAnimatePipeline):
        embeddings.update(prompt_attention_mask=ms.ops.ones((1, 4)), negative_prompt_attention_mask=ms.ops.ones((1, 4)))
    pipeline.set_progress_bar_config(disable=True)
    size = {"height": SIDE, "width": SIDE, "num_frames": num_frames}
    return pipeline(
        **embeddings, **size, num_inference_steps=2, generator=np.random.default_rng(0), output_type=output_type
    )[0]


# What each pipeline's latents are scaled by, as its authors document it.
UNSCALE = {
    hunyuan_video: lambda latents: latents / 1.5305,
    wan: lambda latents: latents / 1.5305 + 0.0609,
    easy_animate: lambda latents: latents / 1.5305,
}


@pytest.fixture
def vae(four_levels, randomised):
    return randomised(AutoencoderKLTAE(**four_levels))


@pytest.fixture(scope="module")
def plain():
    """A TAE that no test decodes with or changes."""
    return AutoencoderKLTAE(block_out_channels=(4, 4, 4, 4), norm_num_groups=2, layers_per_block=1)


@pytest.mark.parametrize("make", UNSCALE)
def test_a_pipeline_runs_saves_loads_and_runs_to_the_same_pixels(make, vae, tmp_path):
    pipeline = make(vae)
    frames = run(pipeline, 9)
    assert frames.shape == (1, 16, SIDE, SIDE, 3)  # 9 rounded up to what two latent frames decode to
    assert frames.std() > 0.05
    pipeline.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "model_index.json").read_text())["vae"] == ["mindone_tae", "AutoencoderKLTAE"]
    loaded = load(tmp_path, pipeline)
    assert type(loaded) is type(pipeline) and type(loaded.vae) is AutoencoderKLTAE and loaded.vae is not vae
    np.testing.assert_array_equal(run(loaded, 9), frames)


@pytest.mark.parametrize("make", UNSCALE)
def test_what_a_pipeline_shows_is_the_tae_on_its_unscaled_latents(make, vae, four_levels, randomised):
    pipeline = make(vae)
    latents = run(pipeline, 9, "latent")
    assert latents.shape == (1, 16, 2, 2, 2)
    pixels = randomised(TemporalAutoencoder(**four_levels)).decode(UNSCALE[make](latents)).asnumpy()
    expected = np.clip(pixels / 2 + 0.5, 0, 1).transpose(0, 2, 3, 4, 1)
    np.testing.assert_allclose(run(pipeline, 9), expected, atol=1e-5)


ASKED = [
    (hunyuan_video, 1, 1),
    (hunyuan_video, 16, 2),
    (hunyuan_video, 17, 3),
    (wan, 16, 3),
    (wan, 17, 3),
    (easy_animate, 17, 3),
]


@pytest.mark.parametrize(("make", "frames", "latent_frames"), ASKED)
def test_a_pipeline_asks_for_these_latent_frames(make, frames, latent_frames, plain):
    assert run(make(plain), frames, "latent").shape[2] == latent_frames


def test_a_pipeline_in_half_precision_computes_in_it(vae, tmp_path):
    pipeline = hunyuan_video(vae)
    single = run(pipeline, 1)
    pipeline.save_pretrained(tmp_path)
    loaded = load(tmp_path, pipeline, mindspore_dtype=ms.float16)
    for halved in (loaded, pipeline.to(ms.float16)):
        assert halved.vae.dtype == ms.float16
        half = run(halved, 1)
        np.testing.assert_allclose(half, single, atol=0.02)
        assert np.abs(half - single).max() > 1e-5


def test_pipelines_switch_tiling_and_slicing(vae):
    pipeline = hunyuan_video(vae)
    for switch, name in ((pipeline.enable_vae_tiling, "use_tiling"), (pipeline.enable_vae_slicing, "use_slicing")):
        switch()
        assert getattr(vae, name)
    pipeline.disable_vae_tiling()
    pipeline.disable_vae_slicing()
    assert not vae.use_tiling and not vae.use_slicing
