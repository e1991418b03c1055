"""Videos of every length and size: how long results are, where tiles lie, that nothing shows where they meet."""

import ast
import inspect
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import mindspore as ms
from mindspore import nn

from mindone_tae.models.tiling.memory import activation_bytes
from mindone_tae.models.tiling.sizes import TileSizes
from mindone_tae.models.tiling.tiling import Tiling

FOUR_LEVELS = dict(block_out_channels=(8, 8, 8, 8))  # ratio 8


class Watched(nn.Cell):
    """A network that keeps what it meets; with `answer`, gives answer(number of the call) everywhere."""

    def __init__(self, network, answer=None):
        super().__init__()
        self.network, self.answer = network, answer
        self.met = []

    def construct(self, x):
        self.met.append(x.asnumpy())
        y = self.network(x)
        return y if self.answer is None else ms.Tensor(np.full(y.shape, self.answer(len(self.met) - 1), np.float32))

    @property
    def shapes(self):
        return {x.shape for x in self.met}


class Once(nn.Cell):
    """A network that computes once for each shape, and gives that answer from then on."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.answers = {}

    def construct(self, x):
        if x.shape not in self.answers:
            self.answers[x.shape] = self.network(x)
        return self.answers[x.shape]


def normal(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def moments(model, x):
    """mean and logvar as one array."""
    return np.concatenate([item.asnumpy() for item in model.encode(ms.Tensor(x))[1:]], 1)


def test_a_decoded_video_is_as_long_as_the_encoded_one(random_model):
    model = random_model(FOUR_LEVELS)
    model.decoder = Once(model.decoder)
    for t in range(1, 41):
        z, _, _ = model.encode(ms.Tensor(normal(1, 3, t, 8, 8)))
        assert z.shape == (1, 4, (t + 7) // 8, 1, 1)
        assert model.latent_size((t, 8, 8)) == model.get_latent_size((t, 8, 8)) == z.shape[2:]
        assert model.decode(z, num_target_frames=t).shape == (1, 3, t, 8, 8)
    assert sorted(shape[2] for shape in model.decoder.answers) == [1, 2, 3, 4, 5]


def test_a_clip_is_encoded_at_its_own_length(random_model):
    """Padding to a multiple of 8 would share a graph, and change the values: exactness wins."""
    model = random_model(FOUR_LEVELS)
    x = normal(1, 3, 13, 8, 8)
    exact, padded = model.encoder(ms.Tensor(x)).asnumpy(), np.concatenate([x, x[:, :, -1:].repeat(3, 2)], 2)
    assert np.abs(moments(model, padded) - exact).max() > 0.01 * exact.std()
    np.testing.assert_array_equal(moments(model, x), exact)


def test_tiles_are_of_32_frames_apart_by_32_in_encoding_and_by_16_in_decoding(local_model):
    model = local_model(use_tile=True)
    model.encoder, model.decoder = Watched(model.encoder), Watched(model.decoder)
    frames, latents = np.arange(90, dtype=np.float32), np.arange(45, dtype=np.float32)
    model.encode(ms.Tensor(np.tile(frames[:, None, None], (1, 3, 1, 4, 4))))
    model.decode(ms.Tensor(np.tile(latents[:, None, None], (1, 4, 1, 2, 2))))
    # the last is moved back to end where the video does
    assert [x[0, 0, [0, -1], 0, 0].tolist() for x in model.encoder.met] == [[0, 31], [32, 63], [58, 89]]
    assert [z[0, 0, [0, -1], 0, 0].tolist() for z in model.decoder.met] == [
        [0, 15],
        [8, 23],
        [16, 31],
        [24, 39],
        [29, 44],
    ]


def test_frames_of_256_pixels_stay_whole_and_larger_ones_are_cut_every_192(local_model):
    model = local_model(use_tile=True)
    model.decoder = Watched(model.decoder)
    model.decode(ms.Tensor(np.tile(np.arange(230, dtype=np.float32), (1, 4, 1, 128, 1))))
    # 128 latent pixels are 256, 96 are 192; the last tile is moved back
    assert [z[0, 0, 0, 0, [0, -1]].tolist() for z in model.decoder.met] == [[0, 127], [96, 223], [102, 229]]
    assert model.decoder.shapes == {(1, 4, 1, 128, 128)}


@pytest.mark.parametrize("seed", range(8))
def test_weights_of_tiles_in_time_and_space_sum_to_one(local_model, seed):
    rng = np.random.default_rng(seed)
    tile = rng.integers(1, 6, 3)
    stride = rng.integers(1, tile + 1)
    size = rng.integers(1, 3 * tile + 1)
    model = local_model()
    t, h, w = (2 * side.item() for side in tile)
    model.enable_tiling(h, w, t, *(2 * side.item() for side in (stride[1], stride[2], stride[0])))
    network, z = model.decoder, ms.Tensor(normal(1, 4, *size))
    model.decoder = Watched(network)
    model.decode(z)
    assert model.decoder.shapes == {(1, 4, *np.minimum(tile, size))}
    total, weight = 0, 0
    for number in range(len(model.decoder.met)):
        model.decoder = Watched(network, lambda call: float(call == number))
        weight = model.decode(z).asnumpy()
        assert weight.shape == (1, 3, *(2 * size)) and weight.min() >= 0 and weight.max() > 0
        total = total + weight
    np.testing.assert_allclose(total, 1, atol=1e-6)


def test_a_frame_lower_than_a_tile_and_wider_is_cut_across_only(local_model):
    model = local_model(sample_deterministic=True)
    x, z = normal(1, 3, 5, 6, 20), normal(1, 4, 3, 3, 10)
    plain = moments(model, x), model.decode(ms.Tensor(z), 5).asnumpy()
    model.enable_tiling(8, 8, 8, 6, 6, 4)
    model.encoder, model.decoder = Watched(model.encoder), Watched(model.decoder)
    np.testing.assert_array_equal(moments(model, x), plain[0])
    np.testing.assert_array_equal(model.decode(ms.Tensor(z), 5).asnumpy(), plain[1])
    assert model.encoder.shapes == {(1, 3, 5, 6, 8)} and model.decoder.shapes == {(1, 4, 3, 3, 4)}


@pytest.mark.parametrize("t", [1, 5, 8])
def test_a_stream_that_one_tile_covers_equals_the_untiled_call_to_the_last_bit(random_model, t):
    model = random_model(sample_deterministic=True, encode_tile=8, decode_tile=8, decode_overlap=4)
    x, z = normal(1, 3, t, 8, 8), normal(1, 4, -(-t // 2), 4, 4)
    plain = moments(model, x), model.decode(ms.Tensor(z), t).asnumpy()
    model.enable_tiling(8, 8)
    streamed = list(model.encode_frames(x[:, :, i : i + 1] for i in range(t)))
    found = [np.concatenate(parts, 2) for parts in zip(*streamed)]
    np.testing.assert_array_equal(np.concatenate(found[1:], 1), plain[0])
    np.testing.assert_array_equal(np.concatenate(list(model.decode_frames([z], t)), 2), plain[1])


def test_streams_are_iterators_of_uneven_chunks_and_take_slicing(global_model):
    model = global_model(sample_deterministic=True, encode_tile=8, decode_tile=8, decode_overlap=4)
    x = normal(3, 3, 37, 12, 8)
    model.enable_tiling(8, 8, None, 6, 6)
    model.enable_slicing()
    called = moments(model, x)
    recon = model.decode(ms.Tensor(called[:, :4]), 37).asnumpy()
    for cuts in ([0, 0, 1, 1, 20, 37], [0, 36, 37, 37], range(38)):
        chunks = (x[:, :, a:b] for a, b in zip(cuts, [*cuts[1:], 37]))
        encoded = model.encode_frames(chunks)
        decoded = model.decode_frames((mean for _, mean, _ in encoded), 37)
        assert iter(encoded) is encoded and iter(decoded) is decoded
        np.testing.assert_array_equal(np.concatenate(list(decoded), 2), recon)
    model.encoder = Watched(model.encoder)
    parts = [np.concatenate((mean, logvar), 1) for _, mean, logvar in model.encode_frames([x])]
    assert len(parts) > 1 and model.encoder.shapes == {(1, 3, 8, 8, 8)}
    np.testing.assert_array_equal(np.concatenate(parts, 2), called)


def seam(x, borders):
    """Issue 3's measure: mean absolute temporal difference at tile borders over the same inside."""
    steps = np.abs(np.diff(x, axis=2)).mean((0, 1, 3, 4))
    inside = [p for p in range(1, x.shape[2]) if p not in borders]
    return steps[[p - 1 for p in borders]].mean() / steps[[p - 1 for p in inside]].mean()


def test_overlapping_tiles_show_no_seam_where_tiles_side_by_side_do(global_model):
    """Each tile is off by its own mean, as a norm's statistics make it, and the means drift."""
    drift = np.linspace(0, 8, 64, dtype=np.float32)[:, None, None]
    z = normal(1, 4, 64, 4, 4) + drift  # 128 frames
    borders = [16, 32, 48, 64, 80, 96, 112]  # tiles of 32 begin and end every 16
    whole = global_model().decode(ms.Tensor(z)).asnumpy()
    blended = global_model(use_tile=True).decode(ms.Tensor(z)).asnumpy()
    assert np.abs(blended - whole).max() > 1
    assert seam(blended, borders) == pytest.approx(seam(whole, borders), rel=0.05)
    beside = global_model(use_tile=True, decode_overlap=0).decode(ms.Tensor(z)).asnumpy()
    assert seam(beside, [32, 64, 96]) > 1.05 * seam(whole, [32, 64, 96])


@pytest.mark.parametrize("part", ["encode", "decode"])
def test_a_budget_given_to_the_constructor_tiles_what_does_not_fit(local_model, part):
    x, z = ms.Tensor(normal(1, 3, 40, 40, 60)), ms.Tensor(normal(1, 4, 20, 20, 30))

    def run(model):
        network = Watched(getattr(model, f"{part}r"))
        setattr(model, f"{part}r", network)
        return (moments(model, x.asnumpy()) if part == "encode" else model.decode(z).asnumpy()), network.shapes

    whole_gb = activation_bytes(part, (8, 8), (1, 40, 40, 60)) / 1e9
    plain, (whole,) = run(local_model())
    fits, seen = run(local_model(memory_budget_gb=whole_gb))
    assert seen == {whole}
    np.testing.assert_array_equal(fits, plain)
    tiled, (seen,) = run(local_model(memory_budget_gb=whole_gb * 0.2))  # a time tile is 0.8 of it: space is cut too
    assert seen[2] == (32 if part == "encode" else 16) and seen[3] < whole[3] and seen[4] < whole[4]
    np.testing.assert_array_equal(tiled, plain)


def test_enable_tiling_takes_the_arguments_of_mindone_diffusers_in_their_order():
    folder = Path(find_spec("mindone").submodule_search_locations[0]) / "diffusers" / "models" / "autoencoders"
    tree = ast.parse((folder / "autoencoder_kl_hunyuan_video.py").read_text(encoding="utf-8"))
    theirs = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "enable_tiling")
    names = [argument.arg for argument in theirs.args.args]
    assert len(names) == 7
    assert list(inspect.signature(Tiling.enable_tiling).parameters)[:7] == names
    for name in ("disable_tiling", "enable_slicing", "disable_slicing"):
        assert list(inspect.signature(getattr(Tiling, name)).parameters) == ["self"]


@pytest.mark.parametrize(
    "sizes",
    [
        dict(encode_tile=0),
        dict(encode_tile=20),
        dict(encode_overlap=32),
        dict(decode_overlap=-8),
        dict(decode_overlap=20),
        dict(decode_tile=32.5),
        dict(tile_sample_min_height=100),
        dict(tile_sample_min_width=-8),
        dict(tile_sample_stride_height=0),
        dict(tile_sample_stride_width=264),
        dict(memory_budget_gb=-1),
        dict(memory_budget_gb=float("nan")),
    ],
)
def test_a_wrong_size_is_told_with_its_rule_and_a_remedy(sizes):
    ((name, value),) = sizes.items()
    with pytest.raises(ValueError) as found:
        TileSizes(**sizes).check(8)
    told, rule = str(found.value).split("; ")
    assert told == f"{name} is {value}"
    assert rule.startswith("it must be ") and rule.partition(": ")[2]
