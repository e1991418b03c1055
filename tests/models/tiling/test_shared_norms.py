"""Norms that share the statistics of all tiles: against NumPy, against untiled networks, and what stays unchanged."""

import gc

import numpy as np
import pytest

import mindspore as ms

from mindone_tae.models.layers.normalization import GroupNorm
from mindone_tae.models.tiling.shared_norms import SharedStatistics

pytestmark = pytest.mark.apart

TILES = dict(
    tile_sample_min_height=16, tile_sample_min_width=16, tile_sample_stride_height=12, tile_sample_stride_width=12
)


def normal(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def uneven(*shape):
    """Noise whose mean and spread change along the last axis, as a video's do from place to place."""
    along = np.linspace(0, 1, shape[-1])
    return ((0.5 + along) * normal(*shape) + 3 * along).astype(np.float32)


def group_norm(x, groups, gamma, beta):
    """In float64, of one video (1, c, t, h, w)."""
    grouped = x.astype(np.float64).reshape(groups, -1)
    y = (grouped - grouped.mean(1, keepdims=True)) / np.sqrt(grouped.var(1, keepdims=True) + 1e-6)
    return y.reshape(x.shape) * gamma[:, None, None, None] + beta[:, None, None, None]


def test_a_tile_is_normalized_by_the_statistics_of_all(mode):
    norm = GroupNorm(8, 4)
    gamma, beta = normal(8, seed=2), normal(8, seed=3)
    norm.gamma.set_data(ms.Tensor(gamma)), norm.beta.set_data(ms.Tensor(beta))
    shared = SharedStatistics(norm)
    for x in (uneven(1, 8, 3, 4, 12), 100 * uneven(1, 8, 3, 4, 12)):  # the second measuring forgets the first
        tiles = [ms.Tensor(np.ascontiguousarray(x[..., i : i + 4])) for i in (0, 4, 8)]
        shared.measure(lambda network: [network(tile).asnumpy() for tile in tiles])
        found = np.concatenate([shared(tile).asnumpy() for tile in tiles], -1)
        np.testing.assert_allclose(found, group_norm(x, 4, gamma, beta), atol=2e-5)
        alone = norm(tiles[0]).asnumpy()
        assert np.abs(found[..., :4] - alone).max() > 0.1


def test_measured_on_a_whole_video_a_network_gives_what_it_gives_alone(random_model):
    model = random_model()
    for network, x in ((model.encoder, uneven(1, 3, 6, 8, 12)), (model.decoder, uneven(1, 4, 3, 4, 6))):
        x = ms.Tensor(x)
        shared = SharedStatistics(network)
        shared.measure(lambda network: network(x).asnumpy())
        np.testing.assert_allclose(shared(x).asnumpy(), network(x).asnumpy(), atol=2e-5)
        assert shared.norms == sum(isinstance(cell, GroupNorm) for _, cell in network.cells_and_names()) > 5


def test_tiles_come_much_closer_to_the_untiled_video(random_model):
    model = random_model()
    x, z = ms.Tensor(uneven(1, 3, 4, 16, 64)), ms.Tensor(uneven(1, 4, 2, 8, 32))
    whole = model.encode(x)[1].asnumpy(), model.decode(z).asnumpy()
    errors = []
    for share in (False, True):
        model.enable_tiling(**TILES, share_statistics=share)
        tiled = model.encode(x)[1].asnumpy(), model.decode(z).asnumpy()
        errors.append([np.square(found - value).mean() for found, value in zip(tiled, whole)])
    of_encoding, of_decoding = np.divide(*errors)
    assert of_encoding > 1.5 and of_decoding > 5


def test_videos_of_a_batch_do_not_share(random_model):
    model = random_model()
    model.enable_tiling(**TILES)
    z = np.concatenate([uneven(1, 4, 2, 8, 12), 5 * normal(1, 4, 2, 8, 12)])
    alone = [model.decode(ms.Tensor(z[i : i + 1])).asnumpy() for i in range(2)]
    np.testing.assert_array_equal(model.decode(ms.Tensor(z)).asnumpy(), np.concatenate(alone))


def test_nothing_is_added_to_what_is_saved_or_trained_and_weights_loaded_later_count(random_model):
    model = random_model()
    names = list(model.parameters_dict()), [parameter.name for parameter in model.trainable_params()]
    model.enable_tiling(**TILES)
    z = ms.Tensor(uneven(1, 4, 2, 8, 12))
    model.decode(z)
    assert (list(model.parameters_dict()), [parameter.name for parameter in model.trainable_params()]) == names
    other = random_model()
    for one, two in zip(model.get_parameters(), other.get_parameters()):
        two.set_data(one.value() * 1.5)
    ms.load_param_into_net(model, {parameter.name: parameter for parameter in other.get_parameters()})
    other.enable_tiling(**TILES)
    np.testing.assert_array_equal(model.decode(z).asnumpy(), other.decode(z).asnumpy())


def test_float16_agrees_with_float32(random_model):
    single, half = random_model(), random_model(dtype="float16")
    z = ms.Tensor(normal(1, 4, 2, 8, 12))
    for model in (single, half):
        model.enable_tiling(**TILES)
    found = half.decode(z).asnumpy() - single.decode(z).asnumpy()
    assert 0 < np.abs(found).max() < 1e-2


def test_the_copy_leaves_the_networks_graphs_alone_when_it_ends(random_model, compiled):
    model = random_model()
    ms.set_context(mode=ms.GRAPH_MODE)
    small, large = ms.Tensor(normal(1, 4, 2, 4, 4)), ms.Tensor(normal(1, 4, 2, 8, 12))
    first = model.decode(small).asnumpy()
    model.enable_tiling(**TILES)
    model.decode(large)
    model._shared.clear()
    gc.collect()
    model.disable_tiling()
    np.testing.assert_array_equal(model.decode(small).asnumpy(), first)
    assert compiled == ["Decoder", "Decoder"]
