"""Types computed in: one for each network, close to float32, float32 where it matters, no NaN from extreme inputs."""

import numpy as np
import pytest

import mindspore as ms

from mindone_tae.models.kernels.attention import attend
from mindone_tae.models.layers.normalization import GroupNorm

FOUR_LEVELS = dict(block_out_channels=(8, 8, 8, 8))


@pytest.fixture(autouse=True)
def in_pynative(pynative):
    pass


def uniform(*shape, seed=0):
    return ms.Tensor(np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32))


def test_encoder_and_decoder_compute_in_types_of_their_own(random_model):
    single, half = random_model(), random_model(dtype="float16")
    x, z = uniform(1, 3, 6, 8, 8), uniform(1, 4, 3, 4, 4)
    mean, recon = ({m: getattr(m, part)(arg) for m in (single, half)} for part, arg in (("encode", x), ("decode", z)))
    mean = {m: value[1].asnumpy() for m, value in mean.items()}
    recon = {m: value.asnumpy() for m, value in recon.items()}
    assert np.abs(mean[single] - mean[half]).max() > 0 < np.abs(recon[single] - recon[half]).max()
    for mixed in (random_model(decode_dtype="float16"), random_model(dtype="float16", encode_dtype="float32")):
        np.testing.assert_array_equal(mixed.encode(x)[1].asnumpy(), mean[single])
        np.testing.assert_array_equal(mixed.decode(z).asnumpy(), recon[half])


def test_float16_agrees_with_float32_to_a_hundredth(random_model):
    single, half = random_model(FOUR_LEVELS), random_model(FOUR_LEVELS, dtype="float16")
    x, z = uniform(1, 3, 9, 16, 24), uniform(1, 4, 2, 2, 3)
    for part, arg in (("encoder", x), ("decoder", z)):
        expected = getattr(single, part)(arg).asnumpy()
        assert expected.std() > 0.1
        assert 0 < np.abs(getattr(half, part)(arg).asnumpy() - expected).max() < 1e-2


def test_posterior_and_results_are_float32_whatever_the_networks_compute_in(random_model):
    half = random_model(dtype="float16")
    x, noise = uniform(1, 3, 6, 8, 8), uniform(1, 4, 3, 4, 4)
    z, mean, logvar = half.encode(x, noise)
    assert {item.dtype for item in (z, mean, logvar, half.decode(z))} == {ms.float32}
    expected = mean.asnumpy().astype(np.float64) + np.exp(logvar.asnumpy().astype(np.float64) / 2) * noise.asnumpy()
    np.testing.assert_allclose(z.asnumpy(), expected, rtol=1e-5, atol=1e-5)


def test_statistics_of_a_float16_norm_are_float32():
    # their squares and sums are past 65504
    x = (300 + 200 * uniform(1, 4, 4, 16, 16).asnumpy()).astype(np.float16)
    found = GroupNorm(4, 2, dtype=ms.float16)(ms.Tensor(x)).asnumpy()
    groups = x.astype(np.float64).reshape(1, 2, -1)
    expected = (groups - groups.mean(2, keepdims=True)) / groups.std(2, keepdims=True)
    assert found.dtype == np.float16
    np.testing.assert_allclose(found.astype(np.float64), expected.reshape(x.shape), atol=2e-3)


def test_scores_of_float16_attention_are_float32():
    # products of 512 channels add up to 80000, which float16 cannot hold
    query = np.full((1, 2, 512), 12.5, np.float16)
    key = np.stack([query[0, 0], -query[0, 0]])[None]
    value = np.array([[[1.0], [5.0]]], np.float16)
    found = attend(*(ms.Tensor(array) for array in (query, key, value))).asnumpy()
    np.testing.assert_array_equal(found, np.ones((1, 2, 1), np.float16))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_values_far_outside_the_range_give_no_nan(random_model, dtype):
    model = random_model(FOUR_LEVELS, dtype=dtype)
    wild = [np.full((1, 3, 9, 16, 16), 3e4, np.float32), 1e4 * uniform(1, 3, 9, 16, 16).asnumpy()]
    wild.append(np.where(np.arange(16) % 2, 1e5, -1e5).astype(np.float32) * np.ones((1, 3, 9, 16, 1), np.float32))
    for x in wild:
        z, mean, logvar = model.encode(ms.Tensor(x))
        assert all(np.isfinite(item.asnumpy()).all() for item in (z, mean, logvar))
        latent = np.concatenate([x, x[:, :1]], 1)[:, :, :2, :4, :4]
        assert np.isfinite(model.decode(ms.Tensor(latent)).asnumpy()).all()


def test_values_far_outside_the_range_give_no_nan_in_tiles(random_model):
    model = random_model()
    model.enable_tiling(8, 8)
    for scale in (1e5, 1e15, 1e25):
        z = ms.Tensor(scale * uniform(1, 4, 3, 6, 6).asnumpy())
        assert np.isfinite(model.decode(z).asnumpy()).all()


@pytest.mark.parametrize("keyword", ["dtype", "encode_dtype", "decode_dtype"])
def test_bfloat16_on_a_cpu_is_refused_naming_what_works(random_model, keyword):
    with pytest.raises(ValueError, match=f"^{keyword} is bfloat16; .* on a CPU: use float32 there, or float16"):
        random_model(**{keyword: "bfloat16"})
