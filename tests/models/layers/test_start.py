import numpy as np
import pytest

import mindspore as ms

from mindone_tae.models.autoencoder import TemporalAutoencoder
from mindone_tae.models.baselines.sd3_vae import SD3VAE
from mindone_tae.models.layers.start import starting_value

SMALL = {
    "block_out_channels": (8, 16),
    "layers_per_block": 1,
    "norm_num_groups": 2,
    "latent_channels": 4,
    "sample_deterministic": True,
}


def off_from_linear(network, rng):
    """Relative difference of a dark, low-contrast clip's reconstruction from the one that linearity predicts."""
    clips = rng.uniform(-1, 1, (2, 1, 3, 4, 16, 16)).astype(np.float32)
    bright, other = (network(ms.Tensor(clip))[0].asnumpy() for clip in clips)
    mixed = network(ms.Tensor(0.2 * clips[0] + 0.05 * clips[1]))[0].asnumpy()
    nothing = network(ms.Tensor(np.zeros_like(clips[0])))[0].asnumpy()
    expected = nothing + 0.2 * (bright - nothing) + 0.05 * (other - nothing)
    return np.abs(mixed - expected).mean() / np.abs(expected - nothing).mean()


@pytest.mark.parametrize("network", [TemporalAutoencoder, SD3VAE])
def test_a_network_that_starts_linear_keeps_brightness_and_contrast_and_a_random_one_does_not(network):
    rng = np.random.default_rng(0)

    assert off_from_linear(network(**SMALL, start="linear").set_train(False), rng) < 0.3
    assert off_from_linear(network(**SMALL).set_train(False), rng) > 1.0


def test_the_statistics_of_a_norm_are_mostly_its_reference_channels():
    weight = starting_value("decoder.conv_in.conv_spat.weight", (8, 4, 3, 3), 2)
    bias = starting_value("decoder.conv_in.conv_spat.bias", (8,), 2)

    references = np.array([3, 7])
    assert (weight[references] == 0).all() and (bias[references] > 3).all()
    assert np.count_nonzero(bias) == 2
    assert np.allclose(np.linalg.norm(weight.reshape(8, -1), axis=1), [1, 1, 1, 0, 1, 1, 1, 0])
    assert np.allclose(weight[:3], -weight[4:7])


def test_what_is_set_is_the_same_at_every_call_whatever_the_seed():
    ms.set_seed(1)
    first = TemporalAutoencoder(**SMALL, start="linear")
    ms.set_seed(2)
    second = TemporalAutoencoder(**SMALL, start="linear")
    compared = 0
    for one, two in zip(first.get_parameters(), second.get_parameters()):
        if starting_value(one.name, one.shape, SMALL["norm_num_groups"]) is not None:
            assert np.array_equal(one.asnumpy(), two.asnumpy()), one.name
            compared += 1
    assert compared > 40


def test_an_unknown_start_is_refused_by_name():
    with pytest.raises(ValueError, match="start is 'zero'; it must be 'random' or 'linear'"):
        TemporalAutoencoder(**SMALL, start="zero")
