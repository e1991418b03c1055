"""The autoencoder's contract with its callers."""

import numpy as np
import pytest

import mindspore as ms

import mindone_tae
from mindone_tae import TAE_CONFIG, TemporalAutoencoder, scale_latents, unscale_latents
from mindone_tae.models.baselines.sd3_vae import SD3VAE

TINY = {"block_out_channels": (8, 8, 8, 8), "layers_per_block": 1, "norm_num_groups": 4}


@pytest.fixture(scope="module")
def tiny():
    ms.set_seed(0)
    return TemporalAutoencoder(**TINY).set_train(False)


def video(*shape, seed=0):
    return ms.Tensor(np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32))


def test_default_config_is_the_published_one():
    assert TAE_CONFIG["latent_channels"] == 16
    assert TAE_CONFIG["block_out_channels"] == (128, 256, 512, 512)
    assert (TAE_CONFIG["scaling_factor"], TAE_CONFIG["shift_factor"]) == (1.5305, 0.0609)


@pytest.mark.parametrize("t", range(1, 41))
def test_latent_size_agrees_with_the_encoder(tiny, t):
    z, mean, logvar = tiny.encode(video(1, 3, t, 8, 16))
    assert z.shape == mean.shape == logvar.shape == (1, 16, *tiny.latent_size((t, 8, 16)))
    assert tiny.get_latent_size((t, 8, 16)) == TemporalAutoencoder.get_latent_size((t, 8, 16)) == mean.shape[2:]


def test_running_a_model_leaves_its_parameter_names_alone():
    model = TemporalAutoencoder(**TINY)
    before = [parameter.name for parameter in model.get_parameters()]
    model(video(1, 3, 2, 8, 8))
    assert [parameter.name for parameter in model.get_parameters()] == before


def test_a_new_models_temporal_layers_are_the_identity(tiny):
    """Frames of a new model interact only through the norms, so that a still video keeps all frames equal."""
    frame = video(1, 3, 1, 16, 24)
    still = ms.Tensor(np.repeat(frame.asnumpy(), 16, axis=2))
    _, one, _ = tiny.encode(frame)
    _, mean, _ = tiny.encode(still)
    np.testing.assert_allclose(mean.asnumpy(), np.repeat(one.asnumpy(), 2, axis=2), atol=2e-5)
    recon = tiny.decode(mean).asnumpy()
    np.testing.assert_allclose(recon, np.repeat(tiny.decode(one, 1).asnumpy(), 16, axis=2), atol=2e-5)


def test_a_new_temporal_layer_gives_its_input_back():
    for name, parameter in {p.name: p for p in TemporalAutoencoder(**TINY).get_parameters()}.items():
        value = parameter.asnumpy()
        if "conv_temp.weight" in name or "_temp.conv.weight" in name:
            expected = np.zeros_like(value)
            expected[range(len(value)), range(len(value)), 0, value.shape[-1] // 2] = 1
            np.testing.assert_array_equal(value, expected, err_msg=name)
        elif "temp" in name or "attn_1.1.proj_out" in name:
            assert not value.any(), name


def test_a_block_alone_takes_and_gives_videos():
    conv = mindone_tae.zoo.build("mindone.blocks", {"name": "conv2_5d", "in_channels": 3, "out_channels": 5})
    assert conv(video(2, 3, 4, 8, 8)).shape == (2, 5, 4, 8, 8)


@pytest.mark.parametrize("side, of_sums", [(8, 1e-5), (256, 2e-3)])
def test_conv2_5d_is_a_spatial_convolution_then_a_temporal_one(side, of_sums):
    """In large frames the spatial bias takes another way than in small ones; `of_sums`: what float32 loses there."""
    from scipy.ndimage import correlate

    conv = mindone_tae.zoo.build("mindone.blocks", {"name": "conv2_5d", "in_channels": 2, "out_channels": 2})
    rng = np.random.default_rng(1)
    for parameter in conv.get_parameters():
        parameter.set_data(ms.Tensor(rng.standard_normal(parameter.shape).astype(np.float32)))
    weights = {parameter.name: parameter.asnumpy() for parameter in conv.get_parameters()}
    x = video(1, 2, 5, side, side).asnumpy()
    spatial = np.stack(
        [
            sum(correlate(x[0, i], weights["conv_spat.weight"][o, i][None], mode="constant") for i in range(2))
            + weights["conv_spat.bias"][o]
            for o in range(2)
        ]
    )
    expected = np.stack(
        [
            sum(
                correlate(spatial[i], weights["conv_temp.weight"][o, i, 0][:, None, None], mode="nearest")
                for i in range(2)
            )
            + weights["conv_temp.bias"][o]
            for o in range(2)
        ]
    )
    np.testing.assert_allclose(conv(ms.Tensor(x)).asnumpy()[0], expected, atol=1e-4)
    biases = ms.ParameterTuple([p for p in conv.get_parameters() if "bias" in p.name])
    of_biases = ms.grad(lambda x: conv(x).mean(), None, biases)(ms.Tensor(x))
    through_time = weights["conv_temp.weight"].sum(axis=(0, 2, 3))
    for parameter, gradient in zip(biases, of_biases):
        expected = (through_time if "spat" in parameter.name else np.ones(2)) / 2
        np.testing.assert_allclose(gradient.asnumpy(), expected, rtol=of_sums)


def test_deterministic_sampling_changes_the_sample_and_not_the_return_type(tiny):
    x = video(1, 3, 8, 16, 16)
    fixed = TemporalAutoencoder(**TINY, sample_deterministic=True).set_train(False)
    ms.load_param_into_net(fixed, {p.name: p for p in tiny.get_parameters()})
    drawn, mean, _ = tiny.encode(x)
    certain, same_mean, _ = fixed.encode(x)
    assert len(fixed.encode(x)) == len(tiny.encode(x)) == 3
    np.testing.assert_array_equal(certain.asnumpy(), same_mean.asnumpy())
    assert np.abs(drawn.asnumpy() - mean.asnumpy()).max() > 0.1


def test_noise_given_is_the_noise_used(tiny):
    x, noise = video(1, 3, 8, 16, 16), video(1, 16, 1, 2, 2, seed=4)
    z, mean, logvar = (value.asnumpy() for value in tiny.encode(x, noise))
    np.testing.assert_allclose(z, mean + np.exp(logvar / 2) * noise.asnumpy(), atol=1e-5)


@pytest.mark.parametrize("keyword", ["num_target_frames", "target_num_frames"])
def test_decode_drops_the_spurious_frames(tiny, keyword):
    z = video(1, 16, 2, 2, 2)
    assert tiny.decode(z).shape == (1, 3, 16, 16, 16)
    np.testing.assert_array_equal(tiny.decode(z, **{keyword: 11}).asnumpy(), tiny.decode(z).asnumpy()[:, :, :11])


def test_calling_the_model_gives_recon_z_mean_logvar_of_the_videos_length(tiny):
    recon, z, mean, logvar = tiny(video(2, 3, 5, 8, 8))
    assert recon.shape == (2, 3, 5, 8, 8) and z.shape == mean.shape == logvar.shape == (2, 16, 1, 1, 1)


@pytest.mark.parametrize(
    "shape, message",
    [
        ((1, 3, 4, 12, 16), "height is 12 pixels; it must be a multiple of 8: resize or crop to 16"),
        ((1, 3, 4, 16, 30), "width is 30 pixels; it must be a multiple of 8: resize or crop to 32"),
        ((1, 4, 4, 16, 16), "4 channels; the model takes 3"),
        ((3, 4, 16, 16), "five axes"),
        ((0, 3, 4, 16, 16), "so no video"),
    ],
)
@pytest.mark.parametrize("mode", [ms.PYNATIVE_MODE, ms.GRAPH_MODE])
def test_a_shape_it_does_not_take_is_a_clear_error(tiny, shape, message, mode):
    ms.set_context(mode=mode)
    try:
        with pytest.raises(ValueError, match=message):
            tiny.encode(video(*shape))
    finally:
        ms.set_context(mode=ms.PYNATIVE_MODE)


def test_more_frames_than_a_latent_holds_is_a_clear_error(tiny):
    with pytest.raises(ValueError, match="num_target_frames is 9; a latent of 1 frames holds 1 to 8"):
        tiny.decode(video(1, 16, 1, 1, 1), num_target_frames=9)
    for value in (2.5, "8"):
        with pytest.raises(ValueError, match=f"num_target_frames is {value!r}; it must be a whole number"):
            tiny.decode(video(1, 16, 1, 1, 1), num_target_frames=value)
    assert tiny.decode(video(1, 16, 1, 1, 1), num_target_frames=np.int64(5)).shape[2] == 5


@pytest.mark.parametrize("mode", [ms.PYNATIVE_MODE, ms.GRAPH_MODE])
def test_bytes_are_a_clear_error(tiny, mode):
    ms.set_context(mode=mode)
    try:
        with pytest.raises(
            ValueError, match="x holds (UInt8|uint8); it must be a Tensor of a floating type.* 127.5 - 1"
        ):
            tiny.encode(ms.Tensor(np.zeros((1, 3, 8, 16, 16), np.uint8)))
        with pytest.raises(ValueError, match="z holds (Int32|int32); it must be a Tensor"):
            tiny.decode(ms.Tensor(np.zeros((1, 16, 1, 1, 1), np.int32)))
    finally:
        ms.set_context(mode=ms.PYNATIVE_MODE)


def test_noise_of_another_shape_is_a_clear_error(tiny):
    told = r"noise has shape \(1, 16, 1, 2, 2\); it must have the latent's, \(1, 16, 2, 2, 2\)"
    with pytest.raises(ValueError, match=told):
        tiny.encode(video(1, 3, 9, 16, 16), video(1, 16, 1, 2, 2))


def test_a_users_graph_may_decode_some_frames(mode):
    class Decode(ms.nn.Cell):
        def __init__(self):
            super().__init__()
            self.model = TemporalAutoencoder(**TINY).set_train(False)

        def construct(self, z):
            return self.model.decode(z, 5)

    assert Decode()(video(1, 16, 1, 1, 1)).shape == (1, 3, 5, 8, 8)


@pytest.mark.parametrize("network", [TemporalAutoencoder, SD3VAE])
def test_a_users_graph_may_scale_latents_and_ask_for_their_size(mode, network):
    class Scaling(ms.nn.Cell):
        def __init__(self):
            super().__init__()
            self.model = network(**TINY, scaling_factor=2.0, shift_factor=0.5)

        def construct(self, z, convention):
            lt, lh, lw = self.model.latent_size((9, 16, 24))
            return (
                self.model.scale_latents(z, convention),
                self.model.unscale_latents(z, convention),
                lt * 100 + lh * lw,
            )

    z, frames = ms.Tensor([3.0], ms.float32), 9 if network is SD3VAE else 2
    for convention, expected in [("mindone", (6.5, 1.25)), ("diffusers", (5.0, 2.0))]:
        *found, size = Scaling()(z, convention)
        assert (*(float(item.asnumpy()[0]) for item in found), size) == (*expected, frames * 100 + 2 * 3)


@pytest.mark.parametrize(
    "keywords, message",
    [
        ({"norm_num_groups": 3}, "norm_num_groups is 3; it must divide"),
        ({"layers_per_block": 0}, "layers_per_block is 0; it must be a whole number from 1 to"),
        ({"dropout": 2}, "dropout is 2; it must be 0 or more and below 1"),
        ({"latent_channels": 0}, "latent_channels is 0; it must be a whole number from 1 to"),
        ({"latent_channels": 10**9}, "latent_channels is 1000000000; it must be a whole number from 1 to"),
        ({"in_channels": 10**9}, "in_channels is 1000000000; it must be a whole number from 1 to"),
        ({"norm_num_groups": 0}, "norm_num_groups is 0; it must be a whole number from 1 to"),
        ({"block_out_channels": ()}, r"block_out_channels is \(\); it must be 1 to 10 widths"),
        ({"block_out_channels": (8,) * 1000}, r"block_out_channels is \(8, 8, .{40,60}; it must be"),
        ({"block_out_channels": (8, -8)}, r"block_out_channels\[1\] is -8; it must be a whole number from 1 to"),
        (
            {"block_out_channels": (10**9, 10**9)},
            r"block_out_channels\[0\] is 1000000000; it must be a whole number from 1 to",
        ),
        ({"block_out_channels": (2**14,) * 10, "layers_per_block": 100}, "take more than .* GB, and this machine has"),
        ({"layers_per_block": 10**9}, "layers_per_block is 1000000000; it must be a whole number from 1 to"),
        ({"block_out_channels": 10}, "block_out_channels is 10; it must be 1 to 10 widths"),
        ({"block_out_channels": "8,16"}, r"block_out_channels\[0\] is '8'; it must be a whole number from 1 to"),
        ({"layers_per_block": 1.5}, "layers_per_block is 1.5; it must be a whole number"),
        ({"scaling_factor": "a"}, "scaling_factor is 'a' and shift_factor 0.0609; they must be finite numbers"),
        ({"shift_factor": None}, "shift_factor None; they must be finite numbers"),
        ({"scaling_factor": 0}, "scaling_factor is 0 and shift_factor 0.0609; .*, the first not 0"),
        ({"pretrained": 5}, "the path of the weights is 5"),
        ({"dtype": "float31"}, "dtype is 'float31'"),
        ({"dtype": "bfloat16"}, "dtype is bfloat16; .* use float32"),
    ],
)
def test_a_keyword_it_cannot_use_is_a_clear_error(keywords, message):
    with pytest.raises(ValueError, match=message):
        TemporalAutoencoder(**{**TINY, **keywords})


def test_float16_computes_close_to_float32_and_keeps_float32_parameters(tiny):
    half = TemporalAutoencoder(**TINY, dtype="float16", sample_deterministic=True).set_train(False)
    ms.load_param_into_net(half, {p.name: p for p in tiny.get_parameters()})
    x = video(1, 3, 8, 16, 16)
    z, mean, logvar = half.encode(x)
    assert z.dtype == half.decode(z).dtype == ms.float32
    assert {p.dtype for p in half.get_parameters()} == {ms.float32}
    difference = np.abs(mean.asnumpy() - tiny.encode(x)[1].asnumpy()).max()
    assert 0 < difference < 0.02


@pytest.mark.parametrize(
    "convention, expected", [("mindone", 1.5305 * 2.0 + 0.0609), ("diffusers", (2.0 - 0.0609) * 1.5305)]
)
def test_scaling_follows_the_named_convention_and_comes_back(convention, expected):
    scaled = scale_latents(2.0, convention, TAE_CONFIG["scaling_factor"], TAE_CONFIG["shift_factor"])
    assert scaled == pytest.approx(expected)
    assert scale_latents(2.0, convention) == scaled and unscale_latents(scaled, convention) == pytest.approx(2.0)
    assert unscale_latents(
        scaled, convention, TAE_CONFIG["scaling_factor"], TAE_CONFIG["shift_factor"]
    ) == pytest.approx(2.0)


def test_an_unnamed_convention_is_an_error():
    with pytest.raises(ValueError, match="mindone.*diffusers"):
        scale_latents(2.0, "sd3", 1.0, 0.0)


def test_average_pooling_gives_block_means_back():
    from mindone_tae.models.baselines.average_pooling import AveragePooling

    x = np.repeat(np.repeat(np.array([0.2, -0.6], np.float32), 8)[None, None, None, None], 8, axis=2).repeat(8, axis=3)
    recon = AveragePooling()(x)
    assert recon.shape == x.shape
    # trilinear between block centres at 3.5 and 11.5, constant outside them
    expected = np.interp(np.arange(16), [3.5, 11.5], [0.2, -0.6])
    np.testing.assert_allclose(recon[0, 0, 3, 4], expected, atol=1e-6)
    assert AveragePooling()(np.zeros((1, 3, 5, 12, 20), np.float32)).shape == (1, 3, 5, 12, 20)
