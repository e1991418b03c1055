"""Shared fixtures: tiny models in which every layer matters; a new model's temporal layers are the identity."""

import numpy as np
import pytest

import mindspore as ms

# ratio 2, and the real ratio of 8
TWO_LEVELS = {"block_out_channels": (4, 8), "norm_num_groups": 2, "layers_per_block": 1, "latent_channels": 3}
FOUR_LEVELS = {"block_out_channels": (4, 4, 4, 8), "norm_num_groups": 2, "layers_per_block": 1, "latent_channels": 16}


def _randomised(model, seed=0):
    rng = np.random.default_rng(seed)
    for name, parameter in model.parameters_and_names():
        array = rng.standard_normal(parameter.shape) / np.sqrt(max(np.prod(parameter.shape[1:]), 4))
        parameter.set_data(ms.Tensor((array + name.endswith("gamma")).astype(np.float32)))
    return model.set_train(False)


@pytest.fixture
def two_levels():
    """Constructor keywords of a model of ratio 2 with every kind of layer."""
    return dict(TWO_LEVELS)


@pytest.fixture
def four_levels():
    """Constructor keywords of a model of ratio 8."""
    return dict(FOUR_LEVELS)


@pytest.fixture
def randomised():
    """randomised(model, seed) is the model with every parameter drawn at random."""
    return _randomised


@pytest.fixture
def arrays_of():
    """arrays_of(model) maps parameter names to arrays."""
    return lambda model: {name: parameter.asnumpy().copy() for name, parameter in model.parameters_and_names()}


@pytest.fixture
def video():
    """video(shape) is a random video in [-1, 1]."""
    return lambda *shape: ms.Tensor(np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32))


@pytest.fixture
def face(two_levels, randomised):
    """What mindone.diffusers meets, of ratio 2."""
    from mindone_tae import AutoencoderKLTAE  # takes seconds, which the room's other tests need not wait

    return randomised(AutoencoderKLTAE(**two_levels))


@pytest.fixture
def folder(face, tmp_path):
    """A folder that the face was saved into."""
    face.save_pretrained(tmp_path / "vae")
    return tmp_path / "vae"
