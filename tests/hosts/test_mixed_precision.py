"""MindSpore's mixed precision put around a float32 TAE, in every form a host has: close to float32.

Values in PyNative mode, one block's gradients in both modes and the whole network's in one way are compared always.
The whole network in every way and both modes takes minutes:
python -m pytest --exhaustive tests/hosts/test_mixed_precision.py
"""

from pathlib import Path

import numpy as np
import pytest

import mindspore as ms
from mindspore import amp, nn, ops

import mindone_tae
from mindone_tae import TemporalAutoencoder
from mindone_tae.models.layers.normalization import GroupNorm
from mindone_tae.models.layers.residual import ResnetBlock

pytestmark = pytest.mark.apart

MODEL = dict(block_out_channels=(8, 8), norm_num_groups=4, layers_per_block=1, latent_channels=4)


class Host(nn.Cell):
    """A host's network around the TAE, which it calls by its methods."""

    def __init__(self, tae):
        super().__init__()
        self.tae = tae

    def construct(self, x):
        z, mean, logvar = self.tae.encode(x)
        return self.tae.decode(mean, x.shape[2]), z, mean, logvar


def _custom(tae, *more):
    return amp.custom_mixed_precision(tae, black_list=[*amp.get_black_list(), *more], dtype=ms.float16)


WAYS = {
    "custom": _custom,
    "custom, norms in the black list": lambda tae: _custom(tae, GroupNorm, nn.GroupNorm, nn.AvgPool2d),
    "O1": lambda tae: amp.auto_mixed_precision(tae, "O1"),
    "O2": lambda tae: amp.auto_mixed_precision(tae, "O2"),
    "O3": lambda tae: amp.auto_mixed_precision(tae, "O3"),
    "to_float": lambda tae: tae.to_float(ms.float16),
    "to_float of a host": lambda tae: Host(tae).to_float(ms.float16),
    "dtype": lambda tae: tae,
}
KEYWORDS = {"dtype": {"dtype": "float16"}}


def drawn(cell):
    rng = np.random.default_rng(0)
    for name, parameter in cell.parameters_and_names():
        array = rng.standard_normal(parameter.shape) / np.sqrt(max(np.prod(parameter.shape[1:]), 4)) / 2
        parameter.set_data(ms.Tensor((array + name.endswith("gamma")).astype(np.float32)))
    return cell


def uniform(*shape, seed):
    return ms.Tensor(np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32))


def as_float32(values):
    return [value.astype(ms.float32).asnumpy() for value in values]


def assert_close(found, expected, part=1e-2):
    """To a part of each array's largest; an array that is nothing beside the others is held to theirs."""
    scale = max(np.abs(array).max() for array in expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert np.abs(ours - theirs).max() <= part * max(np.abs(theirs).max(), 1e-2 * scale)


def assert_networks_gradients_close(found, expected):
    """To a hundredth of the largest of all; and each to a twentieth of its own, lest the largest hide a wrong one.

    Over some forty layers float16's rounding alone moves biases of the decoder, where pixels cancel, by 3% of theirs.
    """
    scale = max(np.abs(array).max() for array in expected)
    assert max(np.abs(ours - theirs).max() for ours, theirs in zip(found, expected, strict=True)) <= 1e-2 * scale
    assert_close(found, expected, part=5e-2)


def assert_agree(found, expected):
    """Values and gradients of a network, as `values_and_gradients` gives them."""
    assert_close(found[0], expected[0])
    assert_networks_gradients_close(found[1], expected[1])


@pytest.fixture
def make(monkeypatch, tmp_path):
    """make(way, **keywords) is a TAE under one way of mixed precision; without a way it is plain."""
    monkeypatch.chdir(tmp_path)  # O1 writes the rewritten network here
    monkeypatch.syspath_prepend(str(Path(mindone_tae.__file__).parents[1]))  # and imports it by the folders of sys.path

    def build(way=None, **keywords):
        tae = drawn(TemporalAutoencoder(**{**MODEL, "sample_deterministic": True, **KEYWORDS.get(way, {}), **keywords}))
        return WAYS[way](tae) if way else tae

    return build


@pytest.mark.parametrize("way", WAYS)
def test_values_agree_with_float32(make, way):
    x, plain, mixed = uniform(1, 3, 4, 16, 16, seed=1), make(), make(way)
    expected, found = as_float32(plain(x)), as_float32(mixed(x))
    assert_close(found, expected)
    half = np.abs(found[0] - expected[0]).max() > 0
    assert half == (way != "O1")  # whose white list names no operator that the TAE holds as a cell


@pytest.mark.parametrize("way", [way for way in WAYS if way != "to_float of a host"])
def test_the_posterior_is_sampled_in_float32(make, way):
    x, noise = uniform(1, 3, 4, 8, 8, seed=1), uniform(1, 4, 2, 4, 4, seed=2)
    tae = make(way, sample_deterministic=False)
    z, mean, logvar = as_float32(tae(x, noise)[1:])
    np.testing.assert_allclose(z, mean + np.exp(logvar / 2) * noise.asnumpy(), atol=1e-5)  # float16's steps are 1e-3


class Around(nn.Cell):
    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def construct(self, x):
        return self.cell(x)


@pytest.mark.graph_mode(where=lambda row: row["whose"] is Around)
@pytest.mark.parametrize("whose", [lambda norm: norm, Around], ids=["its own", "a host's"])
def test_a_norms_statistics_are_float32_under_to_float(mode, whose):
    """In float16 the sum of a group, 204,800, would be past the end of the type."""
    x = (200 + np.random.default_rng(0).uniform(-1, 1, (1, 4, 2, 16, 16))).astype(np.float16)
    given = x.astype(np.float64).reshape(2, -1)
    expected = (given - given.mean(1, keepdims=True)) / given.std(1, keepdims=True)
    found = whose(GroupNorm(4, 2)).to_float(ms.float16)(ms.Tensor(x))
    np.testing.assert_allclose(found.asnumpy().astype(np.float64), expected.reshape(x.shape), atol=2e-3)


@pytest.mark.graph_mode(where=lambda row: not row["recomputed"])
@pytest.mark.parametrize("recomputed", [False, True], ids=["kept", "recomputed"])
def test_a_blocks_gradients_agree_with_float32(mode, recomputed):
    x, direction = uniform(1, 4, 3, 8, 8, seed=1), uniform(1, 6, 3, 8, 8, seed=2)

    def gradients(block):
        def total(x):
            return (block(x).astype(ms.float32) * direction).mean()

        of_x, of_weights = ms.grad(total, 0, block.trainable_params())(x)
        return as_float32([of_x, *of_weights])

    plain, half = (drawn(ResnetBlock(4, 6, norm_num_groups=2)) for _ in range(2))
    if recomputed:
        half.recompute()
    assert_close(gradients(half.to_float(ms.float16)), gradients(plain))


def values_and_gradients(network, mode):
    """(recon, mean, logvar) and the gradients of x and every parameter, of a scalar that depends on all of them."""
    ms.set_context(mode=mode)
    x, direction = uniform(1, 3, 4, 16, 16, seed=1), uniform(1, 3, 4, 16, 16, seed=2)
    weights = list(network.trainable_params())

    def total(x):
        recon, z, mean, logvar = [ops.cast(value, ms.float32) for value in network(x)]
        return (recon * direction).mean() + (mean * mean).mean() + logvar.mean(), recon, mean, logvar

    values, (of_x, of_weights) = ms.value_and_grad(total, 0, weights, has_aux=True)(x)
    return as_float32(values[1:]), as_float32([of_x, *of_weights])


def test_values_and_gradients_agree_with_float32_as_movie_gen_trains(make):
    """The way of MindONE's train_tae, in PyNative mode; the other ways and graph mode are below."""
    mixed = make("custom, norms in the black list", use_recompute=True)
    assert_agree(values_and_gradients(mixed, ms.PYNATIVE_MODE), values_and_gradients(make(), ms.PYNATIVE_MODE))


def test_norms_in_the_black_list_are_recomputed_too(make):
    mixed = make("custom, norms in the black list", use_recompute=True)
    blocks = [cell for _, cell in mixed.cells_and_names() if isinstance(cell, ResnetBlock)]
    assert [len(block.recomputed_parameters) for block in blocks] == [12] * 10


@pytest.mark.exhaustive
@pytest.mark.parametrize("use_recompute", [False, True], ids=["kept", "recomputed"])
@pytest.mark.parametrize("way", WAYS)
def test_values_and_gradients_of_the_whole_network_agree_with_float32(mode, make, way, use_recompute):
    expected = values_and_gradients(make(), ms.PYNATIVE_MODE)
    assert_agree(values_and_gradients(make(way, use_recompute=use_recompute), mode), expected)


@pytest.mark.exhaustive
@pytest.mark.parametrize("way", WAYS)
def test_encode_and_decode_agree_with_float32(mode, make, way):
    if way == "to_float of a host":
        pytest.skip("it calls them itself")
    x, z, plain, mixed = uniform(1, 3, 4, 16, 16, seed=1), uniform(1, 4, 2, 8, 8, seed=2), make(), make(way)
    tae = getattr(mixed, "_backbone", mixed)  # the wrapper of custom, O2 and O3 has no methods but construct
    found = as_float32([*tae.encode(x), tae.decode(z)])
    ms.set_context(mode=ms.PYNATIVE_MODE)
    assert_close(found, as_float32([*plain.encode(x), plain.decode(z)]))
