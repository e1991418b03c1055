"""Streams of chunks: the results of the whole-clip call for any chunks, in memory that does not grow with the video."""

import tracemalloc

import numpy as np
import pytest

import mindspore as ms

pytestmark = pytest.mark.apart

TILES = dict(encode_tile=8, encode_overlap=2, decode_tile=8, decode_overlap=4)
SPACE = dict(tile_sample_min_height=6, tile_sample_min_width=6, tile_sample_stride_height=4, tile_sample_stride_width=4)


@pytest.fixture
def model(random_model):
    """Ratio 2, tiles of 8 frames, z the posterior's mean."""
    return random_model(sample_deterministic=True, **TILES)


def normal(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def in_chunks(x, length):
    return (x[:, :, i : i + length] for i in range(0, x.shape[2], length))


def whole(pieces):
    return np.concatenate(list(pieces), 2)


def assert_streams_equal_calls(model, t, chunk_lengths):
    x, z = normal(1, 3, t, 8, 8), normal(1, 4, -(-t // 2), 4, 4)
    called = [item.asnumpy() for item in model.encode(ms.Tensor(x))]
    recon = model.decode(ms.Tensor(z), t).asnumpy()
    for length in chunk_lengths:
        for parts, expected in zip(zip(*model.encode_frames(in_chunks(x, length))), called):
            np.testing.assert_allclose(whole(parts), expected, atol=1e-6)
        np.testing.assert_allclose(whole(model.decode_frames(in_chunks(z, length), num_frames=t)), recon, atol=1e-6)


@pytest.mark.parametrize("space", [{}, SPACE], ids=["time", "time and space"])
def test_streams_equal_the_tiled_call_for_any_length_and_chunks(global_model, space):
    model = global_model(sample_deterministic=True, **TILES)
    model.enable_tiling(**space)
    for t in range(1, 41):
        assert_streams_equal_calls(model, t, (1, 3, 5, 64))


@pytest.mark.parametrize("t, share", [(3, True), (8, False), (13, False)])
def test_streams_of_the_real_network_equal_its_tiled_call(model, t, share):
    model.enable_tiling(**SPACE, share_statistics=share)
    assert_streams_equal_calls(model, t, (5,))


def test_streams_are_tiled_in_time_without_being_asked(global_model):
    model = global_model(sample_deterministic=True, **TILES)
    z = normal(1, 4, 11, 4, 4)
    streamed = whole(model.decode_frames([z]))
    assert np.abs(streamed - model.decode(ms.Tensor(z)).asnumpy()).max() > 1e-3
    model.enable_tiling()
    np.testing.assert_array_equal(streamed, model.decode(ms.Tensor(z)).asnumpy())


def test_tensors_stream_as_arrays_do(model):
    z = normal(1, 4, 9, 4, 4)
    arrays = whole(model.decode_frames(in_chunks(z, 2)))
    tensors = whole(model.decode_frames(ms.Tensor(chunk) for chunk in in_chunks(z, 2)))
    np.testing.assert_array_equal(arrays, tensors)


def test_frames_come_out_before_the_video_ends(global_model):
    model = global_model(**TILES)
    read = []

    def chunks():
        for i in range(40):
            read.append(i)
            yield normal(1, 3, 1, 8, 8, seed=i)

    z, _, _ = next(model.encode_frames(chunks()))
    assert len(read) == 8 and z.shape[2] == 3
    read.clear()
    _, recon = next(model.reconstruct_frames(chunks()))
    assert len(read) < 16 and recon.shape[2] >= 1


@pytest.mark.parametrize("t, length", [(1, 1), (7, 2), (8, 8), (21, 4), (25, 50)])
def test_reconstruction_keeps_frames_and_their_count(model, t, length):
    x = normal(1, 3, t, 8, 8)
    pairs = list(model.reconstruct_frames(in_chunks(x, length)))
    assert all(source.shape == recon.shape for source, recon in pairs)
    np.testing.assert_array_equal(whole(source for source, _ in pairs), x)
    z = whole(z for z, _, _ in model.encode_frames([x]))
    expected = whole(model.decode_frames([z], num_frames=t))
    np.testing.assert_allclose(whole(recon for _, recon in pairs), expected, atol=1e-6)


@pytest.mark.parametrize("tile", [2, 8])
def test_a_short_video_does_not_hold_the_frames_that_its_last_latent_decodes_to(random_model, tile):
    model = random_model(encode_tile=tile, encode_overlap=0, decode_tile=tile, decode_overlap=0)
    x = np.zeros((1, 3, 1, 8, 8), np.float32)
    [(_, recon)] = model.reconstruct_frames([x])
    held = recon if recon.base is None else recon.base
    assert recon.shape == held.shape == x.shape


def test_fewer_frames_are_the_first_of_all(model):
    model.enable_tiling()
    z = normal(1, 4, 11, 4, 4)
    expected = whole(model.decode_frames([z]))
    for t in (1, 5, 9, 14):
        np.testing.assert_array_equal(whole(model.decode_frames(in_chunks(z, 3), num_frames=t)), expected[:, :, :t])
        np.testing.assert_array_equal(model.decode(ms.Tensor(z), t).asnumpy(), expected[:, :, :t])


def test_noise_depends_on_the_generator_and_not_on_the_chunks(model):
    x = normal(1, 3, 21, 8, 8)
    model.sample_deterministic = False
    z, mean, logvar = (whole(item) for item in zip(*model.encode_frames([x], np.random.default_rng(3))))
    again = whole(z for z, _, _ in model.encode_frames(in_chunks(x, 4), np.random.default_rng(3)))
    noise = np.random.default_rng(3).standard_normal((11, 1, 4, 4, 4), dtype=np.float32).transpose(1, 2, 0, 3, 4)
    np.testing.assert_allclose(z, mean + np.exp(logvar / 2) * noise, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(again, z, atol=1e-6)


def peak_bytes(model, t):
    """The most that NumPy held while t frames of 64x64 went through."""
    frame = normal(1, 3, 4, 64, 64)
    tracemalloc.start()
    for _ in model.reconstruct_frames(frame.copy() for _ in range(t // 4)):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_memory_for_512_frames_is_that_for_64(global_model):
    model = global_model()
    peak_bytes(model, 64)
    assert peak_bytes(model, 512) < 1.05 * peak_bytes(model, 64)


def test_frames_held_are_less_than_two_tiles_of_each_pass(global_model):
    model = global_model(**TILES)
    read = given = most = 0

    def chunks():
        nonlocal read, most
        for _ in range(100):
            read += 1
            most = max(most, read - given)
            yield normal(1, 3, 1, 8, 8)

    for _, recon in model.reconstruct_frames(chunks()):
        given += recon.shape[2]
    assert read == given == 100
    assert most <= 8 + 2 + 8 + 4


@pytest.mark.parametrize(
    "chunks, message",
    [
        ([], "frames held no frame"),
        ([np.zeros((1, 3, 0, 8, 8), np.float32)], "frames held no frame"),
        ([np.zeros((1, 3, 2, 8, 8), np.uint8)], "a chunk is uint8; chunks must be floating"),
        ([np.zeros((1, 3, 2, 8, 9), np.float32)], "width is 9 pixels; it must be a multiple of 2"),
        (
            [np.zeros((1, 3, 2, 8, 8), np.float32), np.zeros((1, 3, 2, 8, 4), np.float32)],
            r"chunk 1 of frames has shape \(1, 3, 2, 8, 4\)",
        ),
    ],
)
def test_frames_that_are_no_video_are_refused(model, chunks, message):
    with pytest.raises(ValueError, match=message):
        list(model.encode_frames(chunks))


def test_frames_that_the_latents_do_not_hold_are_refused(model):
    z = normal(1, 4, 3, 4, 4)
    with pytest.raises(ValueError, match="num_frames is 7; the latents held only 6"):
        list(model.decode_frames([z], num_frames=7))
    with pytest.raises(ValueError, match="num_frames is 0; it must be at least 1"):
        list(model.decode_frames([z], num_frames=0))


def test_a_reader_may_use_its_buffer_again_and_a_writer_change_what_it_gets(random_model):
    model = random_model(sample_deterministic=True, encode_tile=8, decode_tile=8, decode_overlap=4)
    x = np.random.default_rng(5).uniform(-1, 1, (1, 3, 21, 8, 8)).astype(np.float32)
    whole = x.copy()
    expected = np.concatenate([recon for _, recon in model.reconstruct_frames([x])], 2)

    def one_buffer():
        buffer = np.empty_like(x[:, :, :4])
        for start in range(0, 21, 4):
            frames = min(4, 21 - start)
            buffer[:, :, :frames] = x[:, :, start : start + frames]
            yield buffer[:, :, :frames]

    found = [(pixels.copy(), recon) for pixels, recon in model.reconstruct_frames(one_buffer())]
    np.testing.assert_array_equal(np.concatenate([pixels for pixels, _ in found], 2), x)
    np.testing.assert_array_equal(np.concatenate([recon for _, recon in found], 2), expected)

    changed = []
    for pixels, recon in model.reconstruct_frames([x]):
        changed.append(recon.copy())
        pixels += 1
        recon *= 127.5
    np.testing.assert_array_equal(np.concatenate(changed, 2), expected)
    np.testing.assert_array_equal(x, whole)


@pytest.mark.parametrize(
    "asked, message",
    [
        (lambda model, x: model.encode_frames(x), r"frames is one array of shape \(1, 3, 4, 8, 8\).*give it in a list"),
        (lambda model, x: model.encode_frames([None]), "a chunk is a NoneType; chunks are arrays or Tensors"),
        (lambda model, x: model.encode_frames([ms.Tensor(x, ms.int32)]), "a chunk is Int32; chunks must be floating"),
        (lambda model, x: model.encode_frames([x], rng=0), "rng is 0.*numpy.random.default_rng"),
        (lambda model, x: model.encode_frames([x[:0]]), r"x has shape \(0, 3, 4, 8, 8\), so no video"),
        (lambda model, x: model.reconstruct_frames([x[0, 0, 0]]), r"x has shape \(8, 8\); a video has five axes"),
        (lambda model, x: model.reconstruct_frames(x), "frames is one array of shape.*give it in a list"),
        (lambda model, x: model.decode_frames([x], 8.0), "num_frames is 8.0; it must be a whole number"),
    ],
)
def test_what_is_no_stream_is_refused_in_a_sentence(random_model, asked, message):
    x = np.zeros((1, 3, 4, 8, 8), np.float32)
    with pytest.raises(ValueError, match=message):
        list(asked(random_model(), x))
