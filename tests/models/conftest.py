"""Shared fixtures: fast networks whose values never, or always, depend on the tile, and a real one."""

import numpy as np
import pytest

import mindspore as ms
from mindspore import nn
from mindspore.common import api

from mindone_tae.models.autoencoder import TemporalAutoencoder

TWO_LEVELS = dict(latent_channels=4, block_out_channels=(8, 8), layers_per_block=1, norm_num_groups=4)  # ratio 2


class Pool(nn.Cell):
    """Means over 2x2x2 as moments; with `spread`, less the tile's own mean, as a norm would take it off."""

    def __init__(self, spread):
        super().__init__()
        self.spread = spread

    def construct(self, x):
        x = x.asnumpy()
        x = np.concatenate([x, x[:, :1]], 1)  # 4 latent channels
        x = np.concatenate([x, x[:, :, -1:]], 2)[:, :, : x.shape[2] + x.shape[2] % 2]
        b, c, t, h, w = x.shape
        pooled = x.reshape(b, c, t // 2, 2, h // 2, 2, w // 2, 2).mean((3, 5, 7))
        pooled = pooled - self.spread * pooled.mean((1, 2, 3, 4), keepdims=True)
        return ms.Tensor(np.concatenate([pooled, pooled / 2], 1))


class Repeat(nn.Cell):
    """Nearest upsampling by 2 of time, height and width; with `spread`, less the tile's own mean."""

    def __init__(self, spread):
        super().__init__()
        self.spread = spread

    def construct(self, z):
        z = z.asnumpy()[:, :3]
        z = z - self.spread * z.mean((1, 2, 3, 4), keepdims=True)
        return ms.Tensor(z.repeat(2, 2).repeat(2, 3).repeat(2, 4))


def _quick_model(spread, **kwargs):
    model = TemporalAutoencoder(**TWO_LEVELS, **kwargs)
    model.encoder, model.decoder = Pool(spread), Repeat(spread)
    return model.set_train(False)


def _random_model(config, **kwargs):
    model = TemporalAutoencoder(**{**TWO_LEVELS, **config}, **kwargs)
    rng = np.random.default_rng(0)
    for parameter in model.get_parameters():
        w = rng.standard_normal(parameter.shape)
        w = 1 + 0.1 * w if parameter.name.endswith("gamma") else w / np.sqrt(max(np.prod(parameter.shape[1:]), 16))
        parameter.set_data(ms.Tensor(w.astype(np.float32)))
    return model.set_train(False)


@pytest.fixture
def local_model(pynative):
    """Makes an autoencoder of ratio 2 whose networks are so local that tiles cannot show."""
    return lambda **kwargs: _quick_model(0.0, **kwargs)


@pytest.fixture
def global_model(pynative):
    """Makes an autoencoder of ratio 2 in which every value depends on the whole tile."""
    return lambda **kwargs: _quick_model(1.0, **kwargs)


@pytest.fixture
def random_model(pynative):
    """Makes a real autoencoder, tiny, whose every layer matters: a new one's temporal layers do nothing."""
    return lambda config={}, **kwargs: _random_model(config, **kwargs)


@pytest.fixture
def compiled(monkeypatch, pynative, tmp_path):
    """Graph mode; the names of what is compiled from now on, each time it is."""
    names = []
    for executor in {api.GraphExecutor_, api.JitExecutor_}:

        def compile_and_note(self, what, *args, _compile=executor.compile, **kwargs):
            names.append(type(what).__name__ if isinstance(what, ms.nn.Cell) else getattr(what, "__name__", str(what)))
            return _compile(self, what, *args, **kwargs)

        monkeypatch.setattr(executor, "compile", compile_and_note)
    monkeypatch.chdir(tmp_path)  # where a failed compilation leaves its dump
    ms.set_context(mode=ms.GRAPH_MODE)
    return names
