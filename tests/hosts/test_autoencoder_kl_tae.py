"""AutoencoderKLTAE computes the same as the TAE, and has the config names of stock pipelines."""

import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mindspore as ms
from mindone.diffusers import AutoencoderKLHunyuanVideo

import mindone_tae
from mindone_tae import AutoencoderKLTAE, TemporalAutoencoder

pytestmark = pytest.mark.apart


@pytest.fixture
def pair(two_levels, randomised):
    """The face and the TAE with the same numbers."""
    return randomised(AutoencoderKLTAE(**two_levels)), randomised(
        TemporalAutoencoder(**two_levels, sample_deterministic=True)
    )


def test_parameters_have_the_taes_names_and_order(two_levels):
    face, tae = AutoencoderKLTAE(**two_levels), TemporalAutoencoder(**two_levels)
    named = [(name, parameter.name, parameter.shape) for name, parameter in tae.parameters_and_names()]
    assert [(name, parameter.name, parameter.shape) for name, parameter in face.parameters_and_names()] == named


def test_it_encodes_and_decodes_to_the_taes_values(pair, video):
    face, tae = pair
    x = video(2, 3, 3, 4, 6)
    _, mean, logvar = tae.encode(x)
    expected = tae.decode(mean).asnumpy()
    np.testing.assert_array_equal(face.encode(x)[0].asnumpy(), np.concatenate([mean.asnumpy(), logvar.asnumpy()], 1))
    np.testing.assert_allclose(face.encode(x.asnumpy())[0], face.encode(x)[0].asnumpy(), atol=1e-6)
    np.testing.assert_array_equal(face.decode(mean, return_dict=False)[0].asnumpy(), expected)
    np.testing.assert_array_equal(face(x)[0].asnumpy(), expected[:, :, :3])


def test_as_a_graph_it_computes_the_same(pair, video):
    face, tae = pair
    x = video(1, 3, 2, 4, 4)
    expected = tae.reconstruct(x).asnumpy()
    ms.set_context(mode=ms.GRAPH_MODE)
    try:
        found = face(x)[0].asnumpy()
    finally:
        ms.set_context(mode=ms.PYNATIVE_MODE)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_gradients_are_the_taes(pair, video):
    face, tae = pair
    x = video(1, 3, 4, 4, 4)
    ours = ms.value_and_grad(lambda: face(x)[0].square().mean(), None, face.trainable_params())()
    expected = ms.value_and_grad(lambda: tae(x)[0].square().mean(), None, tae.trainable_params())()
    assert ours[0].item() == pytest.approx(expected[0].item(), rel=1e-5)
    assert len(ours[1]) == len(expected[1]) > 50
    for parameter, found, wanted in zip(tae.trainable_params(), ours[1], expected[1]):
        np.testing.assert_allclose(found.asnumpy(), wanted.asnumpy(), atol=1e-5, err_msg=parameter.name)


def test_dictionaries_are_given_when_asked_for(pair, video):
    face, _ = pair
    x = video(1, 3, 2, 4, 4)
    np.testing.assert_array_equal(face.encode(x, return_dict=True).latent.asnumpy(), face.encode(x)[0].asnumpy())
    mean = face.diag_gauss_dist.mode(face.encode(x)[0])
    np.testing.assert_array_equal(face.decode(mean, return_dict=True).sample.asnumpy(), face.decode(mean)[0].asnumpy())


def test_the_distribution_gives_the_mean_and_samples_around_it(two_levels):
    face = AutoencoderKLTAE(**two_levels)
    moments = np.zeros((1, 6, 4, 16, 16), np.float32)
    moments[:, :3], moments[:, 3:] = 2, np.log(0.25)
    mode = face.diag_gauss_dist.mode(ms.Tensor(moments)).asnumpy()
    sample = face.diag_gauss_dist.sample(ms.Tensor(moments), generator=np.random.default_rng(0)).asnumpy()
    assert mode.shape == sample.shape == (1, 3, 4, 16, 16) and (mode == 2).all()
    assert sample.mean() == pytest.approx(2, abs=0.05) and sample.std() == pytest.approx(0.5, abs=0.05)
    assert face.identity_dist is face.diag_gauss_dist


@pytest.mark.parametrize(("frames", "latent", "decoded"), [(1, 1, 8), (8, 1, 8), (9, 2, 16)])
def test_latent_frames_are_those_that_pipelines_ask_for_and_eight_come_of_each(
    four_levels, video, frames, latent, decoded
):
    face = AutoencoderKLTAE(**four_levels)
    moments = face.encode(video(1, 3, frames, 8, 8))[0]
    assert moments.shape == (1, 32, latent, 1, 1) and latent == (frames - 1) // face.temporal_compression_ratio + 1
    assert face.decode(moments[:, :16])[0].shape == (1, 3, decoded, 8, 8)
    assert face.decode(moments[:, :16], num_target_frames=frames)[0].shape[2] == frames


def test_tiling_and_slicing_are_switched_on_and_off(pair, video):
    face, tae = pair
    x = video(2, 3, 2, 8, 4)
    tae.enable_tiling(tile_sample_min_height=4)
    tae.enable_slicing()
    whole, tiled = face.encode(x)[0].asnumpy(), tae.encode(x)[1].asnumpy()
    face.enable_tiling(tile_sample_min_height=4)
    face.enable_slicing()
    assert face.use_tiling and face.use_slicing
    np.testing.assert_allclose(face.encode(x)[0].asnumpy()[:, :3], tiled, atol=1e-6)
    assert np.abs(whole[:, :3] - tiled).max() > 1e-3
    face.disable_tiling()
    face.disable_slicing()
    assert not face.use_tiling and not face.use_slicing


def test_another_dtype_is_computed_in_and_parameters_stay(pair, two_levels, randomised, video):
    face, _ = pair
    half = randomised(TemporalAutoencoder(**two_levels, dtype="float16", sample_deterministic=True))
    x = video(1, 3, 2, 4, 4)
    assert face.dtype == ms.float32
    single = face.encode(x)[0].asnumpy()
    assert face.to(ms.float16) is face and face.dtype == ms.float16
    assert {parameter.dtype for parameter in face.get_parameters()} == {ms.float32}
    found = face.encode(x)[0]
    np.testing.assert_array_equal(found.asnumpy()[:, :3], half.encode(x)[1].asnumpy())
    assert found.dtype == ms.float32 and np.abs(found.asnumpy() - single).max() > 1e-6
    np.testing.assert_array_equal(face.float().encode(x)[0].asnumpy(), single)
    assert face.half().dtype == ms.float16
    # a first tiled call makes copies, which follow as well
    half.enable_tiling(4, 4)
    face.float().enable_tiling(tile_sample_min_height=4, tile_sample_min_width=4)
    x = video(1, 3, 2, 8, 8)
    face.encode(x)
    np.testing.assert_array_equal(face.half().encode(x)[0].asnumpy()[:, :3], half.encode(x)[1].asnumpy())
    with pytest.raises(ValueError, match="dtype is "):
        face.to(ms.int32)


def names_read_by_pipelines():
    """What the pipelines of the four families that fit the TAE read off a VAE, taken from their source."""
    pipelines = Path(importlib.util.find_spec("mindone").origin).parent / "diffusers" / "pipelines"
    families = ("hunyuan_video", "wan", "easyanimate", "cosmos")
    sources = [path.read_text() for family in families for path in (pipelines / family).glob("*.py")]
    return {name for source in sources for name in re.findall(r"\bvae\.((?:config\.)?[a-z_0-9]+)", source)}


def test_every_name_that_the_pipelines_read_is_there(four_levels):
    read = names_read_by_pipelines()
    assert {"decode", "diag_gauss_dist", "temperal_downsample", "config.scaling_factor", "config.z_dim"} <= read
    face = AutoencoderKLTAE(**four_levels)
    holders = {name: face.config if name.startswith("config.") else face for name in read}
    assert [name for name, holder in holders.items() if not hasattr(holder, name.removeprefix("config."))] == []


def test_the_config_says_eight_by_eight_by_eight_and_the_factors(four_levels):
    face = AutoencoderKLTAE(**four_levels, scaling_factor=2.0, shift_factor=0.5)
    config = face.config
    assert 8 == config.temporal_compression_ratio == config.spatial_compression_ratio
    assert 8 == config.scale_factor_temporal == config.scale_factor_spatial
    assert 8 == face.temporal_compression_ratio == face.spatial_compression_ratio
    assert 8 == 2 ** len(face.temperal_downsample) == 2 ** sum(face.temperal_downsample)
    assert (config.z_dim, config.latent_channels, config.scaling_factor, config.shift_factor) == (16, 16, 2.0, 0.5)
    assert config.latents_mean == [0.5] * 16 and config.latents_std == [0.5] * 16 and config.cache_mag_vae is False


def test_scaling_by_mean_and_std_is_the_convention_named_diffusers(four_levels):
    face = AutoencoderKLTAE(**four_levels)
    scaled = np.random.default_rng(0).standard_normal((1, 16, 1, 2, 2))
    mean, std = (
        np.array(values).reshape(1, -1, 1, 1, 1) for values in (face.config.latents_mean, face.config.latents_std)
    )
    np.testing.assert_allclose(scaled * std + mean, mindone_tae.unscale_latents(scaled, "diffusers", 1.5305, 0.0609))


def test_means_and_stds_of_single_channels_may_be_given(two_levels):
    face = AutoencoderKLTAE(**two_levels, latents_mean=[0.0, 0.1, 0.2], latents_std=[1.0, 2.0, 3.0])
    assert face.config.latents_mean == [0.0, 0.1, 0.2] and face.config.latents_std == [1.0, 2.0, 3.0]
    with pytest.raises(ValueError, match="latents_std has 2 values.*give 3"):
        AutoencoderKLTAE(**two_levels, latents_std=[1.0, 2.0])


def test_what_follows_from_the_config_follows_when_it_changes(two_levels):
    face = AutoencoderKLTAE.from_config(AutoencoderKLTAE(**two_levels).config, scaling_factor=4.0)
    assert face.config.scaling_factor == 4.0 and face.config.latents_std == [0.25] * 3
    again = AutoencoderKLTAE.from_config(face.config, latent_channels=2)
    assert (
        again.config.z_dim == 2 and again.config.latents_std == [0.25] * 2 and again.config.block_out_channels == (4, 8)
    )


@pytest.mark.parametrize("method", ["encode", "decode", "construct", "save_pretrained"])
def test_methods_take_what_stock_autoencoders_take_in_their_order(method):
    stock = list(inspect.signature(getattr(AutoencoderKLHunyuanVideo, method)).parameters)
    assert list(inspect.signature(getattr(AutoencoderKLTAE, method)).parameters)[: len(stock)] == stock


def test_the_package_has_it_without_importing_mindspore():
    code = (
        "import sys, mindone_tae, mindone_tae.hosts as h;"
        "assert 'AutoencoderKLTAE' in dir(mindone_tae) and 'AutoencoderKLTAE' in h.__all__;"
        "assert not {'mindspore', 'mindone', 'mindcv'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert AutoencoderKLTAE is mindone_tae.hosts.AutoencoderKLTAE


def test_another_type_after_a_run_is_computed_in(mode, face, two_levels, randomised, video):
    x = video(1, 3, 3, 8, 8)
    half = randomised(TemporalAutoencoder(**two_levels, dtype="float16"))
    half.sample_deterministic = True
    single = face.encode(x)[0].asnumpy()
    face.to(ms.float16)
    np.testing.assert_array_equal(face.encode(x)[0].asnumpy()[:, :3], half.encode(x)[1].asnumpy())
    np.testing.assert_array_equal(face.float().encode(x)[0].asnumpy(), single)
