"""The number of graphs that MindSpore compiles, counted in its compiler; a few seconds each, so tiny networks."""

import numpy as np
import pytest

import mindspore as ms

pytestmark = pytest.mark.apart


def normal(*shape, seed=1):
    return ms.Tensor(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


def test_a_long_video_in_tiles_compiles_two_graphs_and_other_videos_none(random_model, compiled, caplog):
    model = random_model(encode_tile=8, decode_tile=8, decode_overlap=4)
    ms.set_context(mode=ms.GRAPH_MODE)
    model.enable_tiling(6, 6, None, 4, 4)
    # 61 frames of 14x10: the last tile is shifted along every axis, and padded in time
    _, mean, _ = model.encode(normal(1, 3, 61, 14, 10))
    assert compiled == ["Encoder"]
    assert model.decode(mean, 61).shape == (1, 3, 61, 14, 10)
    assert compiled == ["Encoder", "Decoder"]
    # another length and size; a stream in uneven chunks; a batch, one at a time
    model.decode(model.encode(normal(1, 3, 18, 8, 16))[1], 17)
    x = normal(1, 3, 29, 14, 10).asnumpy()
    assert (
        sum(recon.shape[2] for _, recon in model.reconstruct_frames([x[:, :, :1], x[:, :, 1:12], x[:, :, 12:]])) == 29
    )
    model.enable_slicing()
    model.encode(normal(2, 3, 18, 8, 8))
    assert compiled == ["Encoder", "Decoder"]
    # a word before each, by the shape of the tile
    told = [record.getMessage().partition(":")[0] for record in caplog.records if record.name.startswith("mindone_tae")]
    assert told == ["compiling the encoder for 1x3x8x6x6", "compiling the decoder for 1x4x4x3x3"]


def test_lengths_of_one_latent_length_share_the_decoders_graph(random_model, compiled):
    """The encoder's they do not: see `test_a_clip_is_encoded_at_its_own_length`."""
    model = random_model()
    ms.set_context(mode=ms.GRAPH_MODE)
    z = normal(1, 4, 3, 4, 4)
    assert [model.decode(z, t).shape[2] for t in (5, 6)] == [5, 6]
    assert compiled == ["Decoder"]


@pytest.mark.parametrize("tiled", [False, True])
def test_dropout_follows_set_train_in_graphs_that_have_run(random_model, compiled, caplog, tiled):
    """Two runs differ if it is on; the truth without it is a network that has none."""
    x, z = normal(1, 3, 4, 8, 12), normal(1, 4, 2, 4, 6)
    plain, model = random_model(), random_model(dropout=0.5)
    if tiled:
        for each in (plain, model):
            each.enable_tiling(8, 8, 8, 4, 4, 4)  # two tiles, whose norms share their statistics
    ms.set_context(mode=ms.PYNATIVE_MODE)
    expected = plain.encode(x)[1].asnumpy(), plain.decode(z).asnumpy()
    ms.set_context(mode=ms.GRAPH_MODE)
    host = ms.nn.SequentialCell(model)
    for training, cell in ((True, model), (False, model), (True, host), (False, host)):
        cell.set_train(training)
        first, second = ([model.encode(x)[1].asnumpy(), model.decode(z).asnumpy()] for _ in range(2))
        for ours, again, theirs in zip(first, second, expected):
            if training:
                assert np.abs(ours - again).max() > 0.1
            else:
                np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert compiled == ["Encoder", "Decoder"] * 2
    assert sum(record.getMessage().startswith("compiling") for record in caplog.records) == 4


def test_float16_graphs_agree_with_float32_to_a_hundredth(random_model, compiled):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    single, half = random_model(), random_model(dtype="float16")
    x, z = normal(1, 3, 5, 8, 8), normal(1, 4, 3, 4, 4)
    expected = single.encode(x)[1].asnumpy(), single.decode(z).asnumpy()
    ms.set_context(mode=ms.GRAPH_MODE)
    for found, value in zip((half.encode(x)[1].asnumpy(), half.decode(z).asnumpy()), expected):
        assert value.std() > 0.1
        assert 0 < np.abs(found - value).max() < 1e-2
    assert compiled == ["Encoder", "Decoder"]


def test_the_compiler_specializes_no_functions_over_lists(random_model, tmp_path):
    """A list of each layer's parameters, cast in a comprehension, was half of all functions in the graph."""
    model = random_model()
    ms.set_context(mode=ms.GRAPH_MODE, save_graphs=1, save_graphs_path=str(tmp_path))
    try:
        model.encoder.compile(normal(1, 3, 5, 8, 8))
    finally:
        ms.set_context(save_graphs=0)
    [inferred] = tmp_path.rglob("*type_inference*.ir")
    functions = [line for line in inferred.read_text().splitlines() if line.startswith("subgraph @")]
    assert any("conv2_5d" in line for line in functions)
    assert not [line for line in functions if "ms_next" in line or "_list_" in line]


def test_a_type_set_and_a_layer_replaced_after_a_run_are_computed_with(random_model):
    ms.set_context(mode=ms.GRAPH_MODE)
    x, z, model = normal(1, 3, 4, 8, 8), normal(1, 4, 2, 4, 4), random_model()
    single = model.encode(x)[1].asnumpy(), model.decode(z).asnumpy()
    model.to_float(ms.float16)
    half = random_model(dtype="float16")
    np.testing.assert_array_equal(model.encode(x)[1].asnumpy(), half.encode(x)[1].asnumpy())
    np.testing.assert_array_equal(model.decode(z).asnumpy(), half.decode(z).asnumpy())
    model.to_float(ms.float32)
    np.testing.assert_array_equal(model.encode(x)[1].asnumpy(), single[0])

    other = random_model()
    other.encoder.conv_out.conv_spat.bias.set_data(ms.Tensor(np.ones(8, np.float32)))
    model.encoder.conv_out = other.encoder.conv_out
    model.networks_changed()
    np.testing.assert_array_equal(model.encode(x)[1].asnumpy(), other.encode(x)[1].asnumpy())
    assert np.abs(other.encode(x)[1].asnumpy() - single[0]).max() > 0.1
