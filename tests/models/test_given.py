"""Arrays, Tensors, bytes and paths in, results of the same kind; and the model's repr."""

import warnings

import ml_dtypes
import numpy as np
import pytest

import mindspore as ms

import mindone_tae
from mindone_tae import TemporalAutoencoder, read_video, write_video


@pytest.fixture(scope="module")
def tae():
    ms.set_seed(3)
    model = TemporalAutoencoder(block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4)
    return model.set_train(False)


@pytest.fixture
def x():
    return np.random.default_rng(0).uniform(-1, 1, (1, 3, 5, 8, 16)).astype(np.float32)


def test_the_package_names_what_it_names_and_no_more():
    assert sorted(mindone_tae.__all__) == [
        "AutoencoderKLTAE",
        "TAE_CONFIG",
        "TemporalAutoencoder",
        "__version__",
        "read_video",
        "scale_latents",
        "unscale_latents",
        "write_video",
        "zoo",
    ]


def test_arrays_give_the_arrays_of_what_tensors_give(tae, x):
    noise = np.random.default_rng(1).standard_normal((1, 16, 1, 1, 2)).astype(np.float32)
    found, wanted = tae.encode(x.astype(np.float64), noise), tae.encode(ms.Tensor(x), ms.Tensor(noise))
    assert all(isinstance(array, np.ndarray) and isinstance(tensor, ms.Tensor) for array, tensor in zip(found, wanted))
    for array, tensor in zip(found, wanted):
        np.testing.assert_array_equal(array, tensor.asnumpy())
    for array, tensor in zip(found, tae.encode(ms.Tensor(x), noise)):
        np.testing.assert_array_equal(array, tensor.asnumpy())
    recon = tae.decode(found[1], 5)
    assert isinstance(recon, np.ndarray) and recon.dtype == np.float32
    np.testing.assert_array_equal(recon, tae.decode(wanted[1], 5).asnumpy())
    np.testing.assert_array_equal(recon, tae.reconstruct(x))


def test_bfloat16_arrays_are_taken_as_its_tensors_are(tae, x):
    half = x.astype(ml_dtypes.bfloat16)
    expected = tae.encode(half.astype(np.float32))[1]
    np.testing.assert_array_equal(tae.encode(half)[1], expected)
    np.testing.assert_allclose(next(tae.encode_frames([half]))[1], expected, atol=1e-5)


def test_bytes_are_taken_where_they_are_named_and_come_back(tae):
    pixels = np.random.default_rng(2).integers(0, 256, (1, 3, 5, 8, 16), np.uint8)
    floats = tae.reconstruct(pixels / 127.5 - 1)
    found = tae.reconstruct(pixels, pixels="uint8")
    assert found.dtype == np.uint8
    np.testing.assert_allclose(found, ((floats + 1) * 127.5).clip(0, 255), atol=0.502)
    tensor = tae.reconstruct(ms.Tensor(pixels), pixels="uint8")
    assert tensor.dtype == ms.uint8
    np.testing.assert_allclose(tensor.asnumpy().astype(int), found, atol=1)
    np.testing.assert_allclose(tae.encode(pixels, pixels="uint8")[1], tae.encode(pixels / 127.5 - 1)[1], atol=1e-5)


@pytest.mark.parametrize(
    "value, pixels, message",
    [
        (
            np.zeros((1, 3, 1, 8, 8), np.uint8),
            "float",
            "x holds uint8; pixels are numbers in .* say pixels='uint8' for bytes",
        ),
        (np.zeros((1, 3, 1, 8, 8), np.float32), "uint8", "x holds float32 and pixels is 'uint8'"),
        (np.zeros((1, 3, 1, 8, 8), np.int64), "float", r"x holds int64; it must be floating: give x.astype"),
        (np.zeros((1, 3, 1, 8, 8), np.float32), "bytes", "pixels is 'bytes'; it must be 'float' or 'uint8'"),
        ([np.zeros((3, 8, 8))] * 4, "float", "x is a list of 4; it must be one array or Tensor: give numpy.stack"),
        (None, "float", "x is NoneType; it must be one array or Tensor"),
    ],
)
def test_anything_else_gives_a_sentence(tae, value, pixels, message):
    with pytest.raises(ValueError, match=message):
        tae.encode(value, pixels=pixels)


@pytest.mark.parametrize(
    "z, message",
    [([1, 2], "z is a list of 2; it must be one array or Tensor"), ((1, 2, 3), r"z is a tuple of 3.*give z\[0\]")],
)
def test_what_is_no_latent_given_to_decode_gives_a_sentence(tae, z, message):
    with pytest.raises(ValueError, match=message):
        tae.decode(z)


def test_a_list_given_as_noise_gives_a_sentence(tae, x):
    with pytest.raises(ValueError, match="noise is a list of 1; it must be one array or Tensor"):
        tae.encode(ms.Tensor(x), [0])


def test_bytes_given_to_the_cell_itself_are_refused(mode, tae):
    with pytest.raises(ValueError, match="x holds UInt8; it must be a Tensor of a floating type"):
        tae(ms.Tensor(np.full((1, 3, 1, 8, 8), 200, np.uint8)))


def test_numbers_far_outside_warn_once(x):
    tae = TemporalAutoencoder(block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tae.encode(x * 1.5)  # a little over, as a resize gives it
        for broken in (np.nan, np.inf):
            tae.encode(np.where(x > 0.9, broken, x))
    with pytest.warns(UserWarning, match=r"x holds numbers from .* pixels lie in \[-1, 1\]") as caught:
        tae.encode((x + 1) * 127.5)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tae.encode((x + 1) * 127.5)


def test_the_first_tensor_a_model_is_given_is_looked_at_too(x):
    tae = TemporalAutoencoder(block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4)
    with pytest.warns(UserWarning, match="x holds numbers from") as caught:
        tae.encode(ms.Tensor((x + 1) * 127.5))
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tae.encode(ms.Tensor((x + 1) * 127.5))


def test_a_model_says_what_it_is_in_four_lines(tae):
    lines = repr(tae).splitlines()
    count = sum(parameter.size for parameter in tae.get_parameters())
    assert lines == [
        "TemporalAutoencoder: 8x8x8 pixels to 16 numbers, widths 8, 8, 8, 8",
        f"  {count:,} parameters, computes in float32",
        "  tiling off",
        "  weights: random",
    ]
    tiled = TemporalAutoencoder(
        block_out_channels=(8, 8, 8, 8), norm_num_groups=4, use_tile=True, decode_dtype="float16"
    )
    assert "float32 (encoder), float16 (decoder)" in repr(
        tiled
    ) and "tiling: 32 frames of 256x256, 16 frames shared" in repr(tiled)
    tiled.enable_tiling(memory_budget_gb=2)
    assert "over 2 GB" in repr(tiled) and str(tiled) == repr(tiled)


def test_a_path_is_read_reconstructed_and_written(tae, tmp_path):
    source = np.random.default_rng(4).integers(0, 256, (5, 20, 27, 3), np.uint8)
    write_video(tmp_path / "a.gif", source, fps=10)
    x, fps = read_video(tmp_path / "a.gif")
    assert x.shape == (1, 3, 5, 16, 24) and x.dtype == np.float32 and fps == pytest.approx(10)
    recon = tae.reconstruct(tmp_path / "a.gif")
    np.testing.assert_array_equal(recon, tae.reconstruct(x))
    write_video(tmp_path / "recon.mp4", recon, fps)
    again, _ = read_video(tmp_path / "recon.mp4")
    assert again.shape == x.shape and np.corrcoef(again.mean(axis=1).ravel(), recon.mean(axis=1).ravel())[0, 1] > 0.7
