"""A small network with every kind of layer, all numbers random: a new one's temporal layers do nothing."""

import numpy as np
import pytest

import mindspore as ms

from mindone_tae import TemporalAutoencoder

SMALL = {"latent_channels": 3, "block_out_channels": (4, 8), "layers_per_block": 1, "norm_num_groups": 2}  # ratio 2


@pytest.fixture(scope="session")
def small():
    """A TAE of ratio 2."""
    rng = np.random.default_rng(0)
    model = TemporalAutoencoder(**SMALL)
    for parameter in model.get_parameters():
        w = rng.standard_normal(parameter.shape)
        scaled = 0.1 * w if w.ndim == 1 else w / np.sqrt(np.prod(parameter.shape[1:]))
        parameter.set_data(ms.Tensor((scaled + parameter.name.endswith("gamma")).astype(np.float32)))
    return model.set_train(False)
