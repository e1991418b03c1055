"""What stock code sets on a VAE reaches the network: config, tiles, recomputation. Copies and pickles are whole."""

import copy
import logging
import pickle

import numpy as np
import pytest

from mindone_tae import AutoencoderKLTAE

RATIO = 2  # of the face


def test_a_copy_computes_the_same_and_is_another_network(face, video):
    x = video(1, 3, 2, 4, 4)
    before = face.encode(x)[0].asnumpy()
    twin = copy.deepcopy(face)
    np.testing.assert_array_equal(twin.encode(x)[0].asnumpy(), before)
    assert [name for name, _ in twin.parameters_and_names()] == [name for name, _ in face.parameters_and_names()]
    for parameter in twin.get_parameters():
        parameter.set_data(parameter * 0)
    assert np.abs(twin.encode(x)[0].asnumpy()).max() == 0
    np.testing.assert_array_equal(face.encode(x)[0].asnumpy(), before)


def test_the_config_is_pickled_and_copied_whole(face):
    for again in (pickle.loads(pickle.dumps(face.config)), copy.deepcopy(face.config)):
        assert dict(again) == dict(face.config) and vars(again) == vars(face.config)
        assert again.temporal_compression_ratio == RATIO and again.z_dim == 3


def test_an_attribute_set_on_the_config_stays_as_on_stock_models_and_is_not_saved(face):
    face.config.cache_mag_vae = True
    face.config.note = "mine"
    assert face.config.cache_mag_vae is True and face.config.note == "mine"
    assert "note" not in face.to_json_string()


def test_factors_registered_later_reach_the_network_and_what_pipelines_read(face):
    face.register_to_config(scaling_factor=4.0, shift_factor=0.5)
    z = np.ones((1, 3, 1, 1, 1), np.float32)
    np.testing.assert_allclose(face._tae.scale_latents(z, "diffusers"), (z - 0.5) * 4)
    assert face.config.scaling_factor == 4.0 and face.config.latents_std == [0.25] * 3
    assert face._tae.scale_factor == 4.0 and face.config.z_dim == 3


def recomputing(face):
    return [name for name, cell in face.cells_and_names() if "frames" in vars(cell)]


def test_gradient_checkpointing_is_recomputation_and_goes_on_and_off(face, two_levels):
    assert face._supports_gradient_checkpointing and not face.is_gradient_checkpointing and not recomputing(face)
    face.enable_gradient_checkpointing()
    blocks = [name for name, cell in face.cells_and_names() if type(cell).__name__ == "ResnetBlock"]
    assert face.is_gradient_checkpointing and recomputing(face) == blocks
    face.disable_gradient_checkpointing()
    assert not face.is_gradient_checkpointing and not recomputing(face)
    given = AutoencoderKLTAE(**two_levels, use_recompute=True)
    assert given.is_gradient_checkpointing and recomputing(given) == blocks


def test_tiling_takes_the_form_that_autoencoder_kl_has(face):
    face.enable_tiling(True)
    assert face.use_tiling
    face.enable_tiling(False)
    assert not face.use_tiling
    face.enable_tiling(use_tiling=True)
    assert face.use_tiling
    face.enable_tiling(use_tiling=False)
    assert not face.use_tiling


def test_a_stride_that_the_network_does_not_divide_is_rounded_down_and_said(face, caplog):
    with caplog.at_level(logging.WARNING, "mindone_tae"):
        face.enable_tiling(tile_sample_min_height=16, tile_sample_stride_height=13, tile_sample_stride_num_frames=7)
    assert face._tae.tile_sizes.tile_sample_stride_height == 12
    assert face._tae.tile_sizes.decode_overlap == 32 - 6
    assert "tile_sample_stride_height is 13; strides are multiples of 2: 12 is taken" in caplog.text
    with pytest.raises(ValueError, match="tile_sample_min_height is 15"):
        face.enable_tiling(tile_sample_min_height=15)
