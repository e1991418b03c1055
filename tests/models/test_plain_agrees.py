"""The network and its gradient agree with a second network, written without any of its rewrites."""

import functools
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

import mindspore as ms

from mindone_tae import TemporalAutoencoder

PLAIN = Path(__file__).parents[2] / "tools" / "benchmark" / "plain_tae.py"
# The second has every kind of layer, too, and its gradients compile in half the time.
FOUR_LEVELS, TWO_LEVELS = (8, 8, 16, 16), (8, 16)


@pytest.fixture(scope="module")
def networks():
    """networks(widths) are ours and the plain one, of the same weights."""
    spec = importlib.util.spec_from_file_location("plain_tae", PLAIN)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where graph mode looks up the source
    spec.loader.exec_module(module)
    return functools.cache(functools.partial(pair, module))


def pair(module, widths):
    ours = TemporalAutoencoder(block_out_channels=widths, layers_per_block=1, norm_num_groups=4, latent_channels=4)
    rng = np.random.default_rng(0)
    for parameter in ours.get_parameters():
        shift = 1.0 if parameter.name.endswith("gamma") else 0.0
        scale = 0.2 if len(parameter.shape) == 1 else np.prod(parameter.shape[1:]) ** -0.5
        parameter.set_data(ms.Tensor((shift + scale * rng.standard_normal(parameter.shape)).astype(np.float32)))
    plain = module.PlainTAE(widths, layers_per_block=1, norm_num_groups=4, latent_channels=4)
    module.copy_parameters(ours, plain)
    return ours, plain


def inputs(b, t, h, w, widths=FOUR_LEVELS):
    rng, ratio = np.random.default_rng(1), 2 ** (len(widths) - 1)
    x = np.clip(rng.standard_normal((b, 3, t, h, w)), -1, 1).astype(np.float32)
    noise = rng.standard_normal((b, 4, -(-t // ratio), h // ratio, w // ratio)).astype(np.float32)
    return ms.Tensor(x), ms.Tensor(noise)


@pytest.mark.parametrize("shape", [(1, 1, 16, 24), (2, 1, 16, 16), (1, 8, 16, 16), (2, 13, 16, 24)])
def test_values_are_those_of_the_plain_network(networks, shape):
    x, noise = inputs(*shape)
    for ours, plain in zip(*(network(x, noise) for network in networks(FOUR_LEVELS))):
        np.testing.assert_allclose(ours.asnumpy(), plain.asnumpy(), atol=5e-5)


def gradients(network, shape, mode):
    """Of a projection of the reconstruction, by x and by every parameter, and their names."""
    x, noise = inputs(*shape, TWO_LEVELS)
    direction = ms.Tensor(np.random.default_rng(2).standard_normal(x.shape).astype(np.float32))
    parameters = sorted(network.trainable_params(), key=lambda parameter: parameter.name)

    def projected(x, noise):
        return (network(x, noise)[0] * direction).sum()

    ms.set_context(mode=mode)
    try:
        found, by_parameter = ms.grad(projected, 0, parameters)(x, noise)
    finally:
        ms.set_context(mode=ms.PYNATIVE_MODE)
    return {"x": found.asnumpy(), **{p.name: g.asnumpy() for p, g in zip(parameters, by_parameter)}}


@pytest.fixture(scope="module")
def plain_gradients(networks):
    """plain_gradients(shape) are those of the plain network, which are compiled once a shape."""
    # the plain network keeps the softmax over one frame, whose gradient MindSpore 2.8.0 gets wrong in PyNative mode
    return functools.cache(lambda shape: gradients(networks(TWO_LEVELS)[1], shape, ms.GRAPH_MODE))


@pytest.mark.parametrize(
    "shape, mode", [((2, 5, 8, 12), ms.PYNATIVE_MODE), ((2, 5, 8, 12), ms.GRAPH_MODE), ((1, 1, 8, 8), ms.PYNATIVE_MODE)]
)
def test_gradients_are_those_of_the_plain_network(networks, plain_gradients, shape, mode, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plain, ours = plain_gradients(shape), gradients(networks(TWO_LEVELS)[0], shape, mode)
    assert ours.keys() == plain.keys()
    largest = max(float(np.abs(gradient).max()) for gradient in plain.values())
    for name, gradient in plain.items():
        np.testing.assert_allclose(ours[name], gradient, rtol=2e-3, atol=1e-5 * largest, err_msg=name)
