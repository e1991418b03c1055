"""The checksum identifies weights independently of their file."""

import hashlib

import numpy as np

import mindspore as ms
from mindspore import nn

from mindone_tae.weights import load_weights, save_weights
from mindone_tae.weights.digest import weights_sha256


def test_it_is_of_names_types_shapes_and_numbers():
    model = nn.Dense(2, 1)
    model.weight.set_data(ms.Tensor([[1.0, 2.0]]))
    model.bias.set_data(ms.Tensor([3.0]))
    text = (
        b"bias float32 (1,)\n" + np.float32([3]).tobytes() + b"weight float32 (1, 2)\n" + np.float32([1, 2]).tobytes()
    )
    assert weights_sha256(model) == hashlib.sha256(text).hexdigest()


def test_one_checkpoint_has_one_checksum_in_either_format_and_another_has_another(tmp_path):
    ms.set_seed(0)
    model, other = nn.Dense(4, 3), nn.Dense(4, 3)
    before = weights_sha256(model)
    assert weights_sha256(other) != before
    for suffix in (".ckpt", ".safetensors"):
        save_weights(model, tmp_path / f"a{suffix}")
        load_weights(other, tmp_path / f"a{suffix}")
        assert weights_sha256(other) == before
        other.bias.set_data(other.bias + 1)
        assert weights_sha256(other) != before


def test_what_has_no_parameters_has_the_checksum_of_none():
    assert weights_sha256(object()) == hashlib.sha256().hexdigest()
