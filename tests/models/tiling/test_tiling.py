"""Tiles around the networks: values of a blend computed separately, one shape for all tiles, checks of settings."""

import numpy as np
import pytest

import mindspore as ms
from mindspore import nn

from mindone_tae.models.tiling.sizes import TileSizes

pytestmark = pytest.mark.apart

FOUR_LEVELS = dict(block_out_channels=(8, 8, 8, 8))  # ratio 8


class Watched(nn.Cell):
    """A network that notes the shapes it meets."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.shapes = []

    def construct(self, x):
        self.shapes.append(tuple(x.shape))
        return self.network(x)


def watch(model):
    model.encoder, model.decoder = Watched(model.encoder), Watched(model.decoder)
    return model.encoder.shapes, model.decoder.shapes


def normal(*shape, seed=1):
    return ms.Tensor(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


def moments(model, x):
    """mean and logvar as one array."""
    return np.concatenate([item.asnumpy() for item in model.encode(x)[1:]], 1)


def separate_blend(network, x, starts, ramps, scale_in, scale_out, tile):
    """Tiles of (t, h, w) at `starts` run one by one, weighted by products of hand-written weights, in float64.

    Args:
        starts: for each axis, the tiles' starts in latent positions.
        ramps: for each axis, for each tile, its weights at every output position.
    """
    total = 0
    for i, t in enumerate(starts[0]):
        for j, h in enumerate(starts[1]):
            for k, w in enumerate(starts[2]):
                place = [slice(s * scale_in, (s + n) * scale_in) for s, n in zip((t, h, w), tile)]
                out = network(ms.Tensor(np.ascontiguousarray(x.asnumpy()[(..., *place)]))).asnumpy().astype(np.float64)
                weight = np.einsum("t,h,w->thw", ramps[0][i], ramps[1][j], ramps[2][k])
                full = np.zeros((*out.shape[:2], *weight.shape))
                full[(..., *[slice(s * scale_out, (s + n) * scale_out) for s, n in zip((t, h, w), tile)])] = out
                total = total + full * weight
    return total


def test_decoding_equals_a_blend_of_separately_decoded_tiles(random_model):
    model = random_model()
    # latents: tiles of 4x4x4; 2 shared in time, 1 in height and width
    model.enable_tiling(8, 8, 8, 6, 6, 4, share_statistics=False)
    z = normal(1, 4, 7, 6, 4)
    four, two, zeros = (np.arange(4) + 0.5) / 4, np.array([0.25, 0.75]), np.zeros
    # t: tiles at 0, 2, and, moved back from 4, 3; it takes over in latents 4 and 5 all the same
    time = [
        np.r_[np.ones(4), four[::-1], zeros(6)],
        np.r_[zeros(4), four, four[::-1], zeros(2)],
        np.r_[zeros(8), four, np.ones(2)],
    ]
    # h: tiles at 0 and, moved back from 3, 2
    height = [np.r_[np.ones(6), two[::-1], zeros(4)], np.r_[zeros(6), two, np.ones(4)]]
    expected = separate_blend(
        model.decoder, z, [(0, 2, 3), (0, 2), (0,)], [time, height, [np.ones(8)]], 1, 2, (4, 4, 4)
    )
    np.testing.assert_allclose(model.decode(z).asnumpy(), expected, atol=1e-5)
    assert np.abs(model.decode(z).asnumpy() - model.decoder(z).asnumpy()).max() > 1e-3


def test_encoding_equals_a_blend_of_moments_of_separately_encoded_tiles(random_model):
    model = random_model()
    model.enable_tiling(8, 8, 8, 6, 4, share_statistics=False)
    x = normal(1, 3, 11, 12, 12)
    repeated = ms.Tensor(np.concatenate([x.asnumpy(), x.asnumpy()[:, :, -1:]], 2))
    zeros, ones = np.zeros, np.ones
    # t: latents 0-3 from the tile at 0; 4 and 5 from the tile moved back to 2, whose last frame is repeated
    time = [np.r_[ones(4), zeros(2)], np.r_[zeros(4), ones(2)]]
    height = [np.r_[ones(3), 0.5, zeros(2)], np.r_[zeros(3), 0.5, ones(2)]]
    up = np.array([0.25, 0.75])
    width = [np.r_[ones(2), up[::-1], zeros(2)], np.r_[zeros(2), up, ones(2)]]
    expected = separate_blend(model.encoder, repeated, [(0, 2)] * 3, [time, height, width], 2, 1, (4, 4, 4))
    np.testing.assert_allclose(moments(model, x), expected, atol=1e-5)


@pytest.mark.parametrize("t, h, w", [(1, 16, 24), (5, 24, 16), (16, 24, 24)])
def test_one_tile_equals_untiled_to_the_last_bit(random_model, t, h, w):
    model = random_model(FOUR_LEVELS)
    x, z = normal(1, 3, t, h, w), normal(1, 4, -(-t // 8), h // 8, w // 8)
    plain = moments(model, x), model.decode(z, t).asnumpy()
    model.enable_tiling(24, 24, 16, 16, 16, 8)
    np.testing.assert_array_equal(moments(model, x), plain[0])
    np.testing.assert_array_equal(model.decode(z, t).asnumpy(), plain[1])


@pytest.mark.parametrize("t", [17, 24, 31, 41])
def test_real_depth_meets_one_shape_in_each_network(random_model, t):
    model = random_model(FOUR_LEVELS)
    model.enable_tiling(16, 16, 16, 8, 8, 8, share_statistics=False)
    encoded, decoded = watch(model)
    x = normal(2, 3, t, 24, 32)
    z, mean, logvar = model.encode(x)
    recon = model.decode(z, num_target_frames=t)
    assert z.shape == mean.shape == logvar.shape == (2, 4, -(-t // 8), 3, 4)
    assert isinstance(recon, ms.Tensor) and recon.shape == x.shape
    assert set(encoded) == {(2, 3, 16, 16, 16)} and set(decoded) == {(2, 4, 2, 2, 2)}


def test_local_networks_show_no_tile_at_any_length(local_model):
    model = local_model(sample_deterministic=True)
    encoded, decoded = watch(model)
    for t in range(1, 71):
        x = normal(1, 3, t, 14, 10, seed=t)
        z = normal(1, 4, -(-t // 2), 7, 5, seed=t)
        model.disable_tiling()
        plain = moments(model, x), model.decode(z, t).asnumpy()
        encoded.clear(), decoded.clear()
        model.enable_tiling(8, 8, 32, 6, 4, 16)
        np.testing.assert_array_equal(moments(model, x), plain[0])
        np.testing.assert_array_equal(model.decode(z, t).asnumpy(), plain[1])
        assert len(set(encoded)) == len(set(decoded)) == 1


def test_fewer_frames_wanted_decode_fewer_tiles(random_model):
    model = random_model(use_tile=True, encode_tile=8, decode_tile=8, decode_overlap=4)
    z = normal(1, 4, 16, 4, 4)
    whole = model.decode(z).asnumpy()
    _, decoded = watch(model)
    np.testing.assert_array_equal(model.decode(z, num_target_frames=3).asnumpy(), whole[:, :, :3])
    assert len(decoded) == 1


def test_slicing_changes_no_value_and_shows_one_video_at_a_time(random_model):
    model = random_model()
    x, z = normal(3, 3, 12, 8, 8), normal(3, 4, 6, 4, 4)
    for tiled in (False, True):
        if tiled:
            model.enable_tiling(8, 8, 8, 6, 6, 4)
        whole = moments(model, x), model.decode(z, 11).asnumpy()
        model.enable_slicing()
        encoder, decoder = model.encoder, model.decoder
        encoded, decoded = watch(model)
        np.testing.assert_allclose(moments(model, x), whole[0], atol=1e-5)
        np.testing.assert_allclose(model.decode(z, 11).asnumpy(), whole[1], atol=1e-5)
        assert {shape[0] for shape in encoded + decoded} == {1}
        model.disable_slicing()
        model.encoder, model.decoder = encoder, decoder


def test_noise_and_scale_of_the_sample_are_those_of_the_untiled_call(random_model):
    model = random_model(use_tile=True, encode_tile=8)
    x, noise = normal(1, 3, 20, 8, 8), normal(1, 4, 10, 4, 4, seed=2)
    z, mean, logvar = (item.asnumpy() for item in model.encode(x, noise))
    np.testing.assert_allclose(z, mean + np.exp(logvar / 2) * noise.asnumpy(), rtol=1e-5, atol=1e-5)
    model.sample_deterministic = True
    z, mean, _ = model.encode(x)
    np.testing.assert_array_equal(z.asnumpy(), mean.asnumpy())


def test_construct_never_tiles(random_model):
    model = random_model()
    x, noise = normal(1, 3, 20, 12, 12), normal(1, 4, 10, 6, 6)
    plain = [item.asnumpy() for item in model(x, noise)]
    model.enable_tiling(8, 8, 8, 6, 6, 4)
    for item, expected in zip(model(x, noise), plain):
        np.testing.assert_array_equal(item.asnumpy(), expected)


def test_disabling_restores_the_untiled_call_and_keeps_the_sizes(random_model):
    model = random_model()
    z = normal(1, 4, 8, 4, 4)
    plain = model.decode(z).asnumpy()
    model.enable_tiling(tile_sample_min_num_frames=8, tile_sample_stride_num_frames=4)
    tiled = model.decode(z).asnumpy()
    model.disable_tiling()
    np.testing.assert_array_equal(model.decode(z).asnumpy(), plain)
    model.enable_tiling()
    np.testing.assert_array_equal(model.decode(z).asnumpy(), tiled)


@pytest.mark.parametrize(
    "asked, message",
    [
        (dict(tile_sample_min_height=100), "tile_sample_min_height is 100; it must be a multiple of 8: use 96 or 104"),
        (dict(tile_sample_min_width=0), "tile_sample_min_width is 0; it must be at least 8"),
        (
            dict(tile_sample_stride_width=264),
            "tile_sample_stride_width is 264; it must be at most tile_sample_min_width",
        ),
        (
            dict(tile_sample_stride_num_frames=40),
            "tile_sample_stride_num_frames is 40; it must be at most tile_sample_min_num_frames",
        ),
        (
            dict(tile_sample_stride_num_frames=12),
            "tile_sample_stride_num_frames is 12; it must be a multiple of 8: use 8 or 16",
        ),
        (
            dict(tile_sample_min_num_frames=20),
            "tile_sample_min_num_frames is 20; it must be a multiple of 8: use 16 or 24",
        ),
        (dict(tile_sample_min_height=64.0), "tile_sample_min_height is 64.0; it must be a whole number"),
        (dict(memory_budget_gb=0), "memory_budget_gb is 0; it must be a number above 0"),
        (dict(memory_budget_gb="4"), "memory_budget_gb is '4'; it must be a number above 0"),
        (dict(share_statistics="no"), "share_statistics is 'no'; it must be True or False"),
        (
            dict(memory_budget_gb=1, tile_sample_min_height=64),
            "memory_budget_gb is 1 and tile_sample_min_height is given too",
        ),
    ],
)
def test_impossible_tiles_are_refused_with_the_remedy(random_model, asked, message):
    model = random_model(FOUR_LEVELS)
    with pytest.raises(ValueError, match=message):
        model.enable_tiling(**asked)
    assert not model.use_tiling


@pytest.mark.parametrize(
    "asked, message",
    [
        (dict(decode_overlap=20), "decode_overlap is 20; it must be a multiple of 8: use 16 or 24"),
        (
            dict(encode_overlap=32),
            "encode_overlap is 32; it must be less than encode_tile, which is 32: use 24 or less",
        ),
        (dict(encode_tile=4), "encode_tile is 4; it must be at least 8"),
        (dict(decode_overlap=-8), "decode_overlap is -8; it must be at least 0"),
    ],
)
def test_impossible_tiles_in_time_are_refused_by_the_constructor(random_model, asked, message):
    with pytest.raises(ValueError, match=message):
        random_model(FOUR_LEVELS, **asked)


def test_a_tile_given_without_its_stride_overlaps_by_the_usual_share(random_model):
    model = random_model(FOUR_LEVELS)
    model.enable_tiling(tile_sample_min_height=128, tile_sample_min_num_frames=16)
    assert model.tile_sizes == TileSizes(16, 0, 16, 8, 128, 256, 96, 192)


def test_graph_mode_gives_the_same_values_with_one_shape_a_network(random_model, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # where a failed compilation leaves its dump
    model = random_model()
    model.enable_tiling(8, 8, 8, 6, 6, 4, share_statistics=False)
    x, noise = normal(1, 3, 13, 12, 8), normal(1, 4, 7, 6, 4)
    expected = [item.asnumpy() for item in model.encode(x, noise)]
    recon, whole = model.decode(ms.Tensor(expected[0]), 13).asnumpy(), model(x, noise)[0].asnumpy()
    ms.set_context(mode=ms.GRAPH_MODE)
    for item, value in zip(model.encode(x, noise), expected):
        np.testing.assert_allclose(item.asnumpy(), value, atol=1e-4)
    np.testing.assert_allclose(model.decode(ms.Tensor(expected[0]), 13).asnumpy(), recon, atol=1e-4)
    assert len(model.encoder.compile_cache) == len(model.decoder.compile_cache) == 1
    np.testing.assert_allclose(model(x, noise)[0].asnumpy(), whole, atol=1e-4)
