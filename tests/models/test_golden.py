"""The network computes what the published example computes, under the published names."""

import zlib
from pathlib import Path

import numpy as np
import pytest

import mindspore as ms

from mindone_tae import TemporalAutoencoder
from mindone_tae.models.kernels.device import form

GOLDEN = Path(__file__).parent / "golden"
VECTORS = np.load(GOLDEN / "golden_ch32.npz")
KEYS = sorted({name.split("/")[0] for name in VECTORS})


def rebuilt_weight(name, shape):
    """The weight that the golden file was computed with, by the rule that comes with it."""
    rng = np.random.default_rng(zlib.crc32(("tae-" + name).encode()))
    drawn = rng.standard_normal(shape)
    if name.endswith(".gamma"):
        return (1 + 0.1 * drawn).astype(np.float32)
    if name.endswith((".beta", ".bias")):
        return (0.05 * drawn).astype(np.float32)
    return (drawn / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


@pytest.fixture(scope="module")
def tae():
    model = TemporalAutoencoder(block_out_channels=(32, 64, 128, 128), sample_deterministic=True)
    for parameter in model.get_parameters():
        parameter.set_data(ms.Tensor(rebuilt_weight(parameter.name, parameter.shape)))
    return model.set_train(False)


def golden_input(key):
    shape = tuple(map(int, key.split("x")))
    rng = np.random.default_rng(int(VECTORS[f"{key}/seed"]))
    return np.clip(rng.standard_normal(shape) * 0.5, -1, 1).astype(np.float32)


def largest_differences(tae, key):
    z, mean, logvar = tae.encode(ms.Tensor(golden_input(key)))
    recon = tae.decode(z)
    found = {"mean": mean, "logvar": logvar, "recon": recon}
    assert {name: value.shape for name, value in found.items()} == {
        name: VECTORS[f"{key}/{name}"].shape for name in found
    }
    return {name: float(np.abs(value.asnumpy() - VECTORS[f"{key}/{name}"]).max()) for name, value in found.items()}


def test_parameter_names_and_shapes_are_the_published_ones():
    lines = (GOLDEN / "parameters_ch32.txt").read_text().splitlines()
    published = {name: tuple(map(int, shape.split("x"))) for name, shape in map(str.split, lines)}
    model = TemporalAutoencoder(block_out_channels=(32, 64, 128, 128))
    assert {parameter.name: parameter.shape for parameter in model.get_parameters()} == published


@pytest.mark.parametrize("key", KEYS)
def test_golden_vectors_are_met_in_pynative_mode(tae, key):
    assert max(largest_differences(tae, key).values()) < 2e-4


@pytest.mark.parametrize("name", ["portable", "products"])
@pytest.mark.parametrize("key", ["1x3x13x40x32"])
def test_golden_vectors_are_met_in_the_forms_of_other_devices_and_versions(tae, key, name):
    with form(name):
        assert max(largest_differences(tae, key).values()) < 2e-4


@pytest.mark.parametrize("key", ["1x3x13x40x32"])
def test_golden_vectors_are_met_in_graph_mode(tae, key, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ms.set_context(mode=ms.GRAPH_MODE)
    try:
        assert max(largest_differences(tae, key).values()) < 2e-4
    finally:
        ms.set_context(mode=ms.PYNATIVE_MODE)
