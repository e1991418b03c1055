"""The SD3.5 image VAE against a NumPy one, written from the layers' definitions."""

import numpy as np
import pytest

import mindspore as ms

from mindone_tae.models.baselines.sd3_vae import SD3VAE

WIDTHS, GROUPS, LATENT = (4, 8), 2, 3


def conv(x, weight, bias, stride=1, pad=(1, 1)):
    """(c, h, w) with zeros before and after, each side, by loops over the kernel's taps."""
    size = weight.shape[-1]
    if size == 1:
        pad = (0, 0)
    x = np.pad(x, ((0, 0), pad, pad))
    out = [(side - size) // stride + 1 for side in x.shape[1:]]
    total = np.zeros((weight.shape[0], *out)) + bias[:, None, None]
    for i in range(size):
        for j in range(size):
            taps = x[:, i : i + stride * out[0] : stride, j : j + stride * out[1] : stride][:, : out[0], : out[1]]
            total += np.einsum("oc,chw->ohw", weight[:, :, i, j], taps)
    return total


class NumpyVAE:
    """float64, one image at a time, by the names of the original layout."""

    def __init__(self, weights):
        self.weights = weights

    def conv(self, name, x, **keywords):
        return conv(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"], **keywords)

    def norm(self, name, x):
        groups = x.reshape(GROUPS, -1)
        groups = (groups - groups.mean(1, keepdims=True)) / np.sqrt(groups.var(1, keepdims=True) + 1e-6)
        return (
            groups.reshape(x.shape) * self.weights[f"{name}.gamma"][:, None, None]
            + self.weights[f"{name}.beta"][:, None, None]
        )

    def norm_silu(self, name, x):
        x = self.norm(name, x)
        return x / (1 + np.exp(-x))

    def resnet(self, name, x):
        y = self.conv(f"{name}.conv1", self.norm_silu(f"{name}.norm1", x))
        y = self.conv(f"{name}.conv2", self.norm_silu(f"{name}.norm2", y))
        return y + (self.conv(f"{name}.nin_shortcut", x) if f"{name}.nin_shortcut.weight" in self.weights else x)

    def mid(self, name, x):
        x = self.resnet(f"{name}.block_1", x)
        y = self.norm(f"{name}.attn_1.norm", x)
        q, k, v = (self.conv(f"{name}.attn_1.{leaf}", y).reshape(len(x), -1).T for leaf in "qkv")
        scores = q @ k.T / np.sqrt(len(x))
        scores = np.exp(scores - scores.max(1, keepdims=True))
        y = (scores / scores.sum(1, keepdims=True) @ v).T.reshape(x.shape)
        return self.resnet(f"{name}.block_2", x + self.conv(f"{name}.attn_1.proj_out", y))

    def encode(self, x):
        x = self.conv("encoder.conv_in", x)
        for level in range(len(WIDTHS)):
            for block in range(2):
                x = self.resnet(f"encoder.down.{level}.block.{block}", x)
            if level < len(WIDTHS) - 1:
                x = self.conv(f"encoder.down.{level}.downsample.conv", x, stride=2, pad=(0, 1))
        x = self.conv("encoder.conv_out", self.norm_silu("encoder.norm_out", self.mid("encoder.mid", x)))
        return x[:LATENT], x[LATENT:]

    def decode(self, z):
        x = self.mid("decoder.mid", self.conv("decoder.conv_in", z))
        for level in reversed(range(len(WIDTHS))):
            for block in range(3):
                x = self.resnet(f"decoder.up.{level}.block.{block}", x)
            if level:
                x = self.conv(f"decoder.up.{level}.upsample.conv", x.repeat(2, axis=1).repeat(2, axis=2))
        return self.conv("decoder.conv_out", self.norm_silu("decoder.norm_out", x))


def model(**keywords):
    return SD3VAE(block_out_channels=WIDTHS, norm_num_groups=GROUPS, latent_channels=LATENT, **keywords)


def randomised(vae):
    """The model with every parameter drawn, and the numbers by name, float64."""
    rng = np.random.default_rng(0)
    drawn = {}
    for parameter in vae.get_parameters():
        fan_in = np.prod(parameter.shape[1:]) if len(parameter.shape) > 1 else 4
        drawn[parameter.name] = rng.standard_normal(parameter.shape) / np.sqrt(fan_in) + parameter.name.endswith(
            "gamma"
        )
        parameter.set_data(ms.Tensor(drawn[parameter.name].astype(np.float32)))
    return vae, drawn


def video(shape=(2, 3, 3, 8, 12)):
    return np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)


def test_every_frame_is_coded_as_numpy_codes_it_as_an_image(mode):
    vae, weights = randomised(model())
    numpy_vae, x = NumpyVAE(weights), video()
    _, mean, logvar = vae.encode(ms.Tensor(x))
    recon = vae.decode(mean).asnumpy()
    assert mean.shape == (2, LATENT, 3, 4, 6)
    for b, t in ((0, 0), (0, 2), (1, 1)):
        expected_mean, expected_logvar = numpy_vae.encode(x[b, :, t])
        np.testing.assert_allclose(mean.asnumpy()[b, :, t], expected_mean, atol=2e-5)
        np.testing.assert_allclose(logvar.asnumpy()[b, :, t], expected_logvar, atol=2e-5)
        np.testing.assert_allclose(recon[b, :, t], numpy_vae.decode(expected_mean), atol=5e-5)


def test_the_model_gives_recon_z_mean_and_logvar_of_the_noise_it_is_handed_and_renames_no_parameter(mode):
    vae, weights = randomised(model())
    x = ms.Tensor(video((1, 3, 2, 8, 8)))
    noise = np.random.default_rng(2).standard_normal((1, LATENT, 2, 4, 4)).astype(np.float32)
    recon, z, mean, logvar = vae(x, ms.Tensor(noise))
    np.testing.assert_allclose(z.asnumpy(), mean.asnumpy() + np.exp(logvar.asnumpy() / 2) * noise, atol=1e-5)
    np.testing.assert_allclose(recon.asnumpy(), vae.decode(z).asnumpy(), atol=1e-5)
    assert [parameter.name for parameter in vae.get_parameters()] == list(weights)
    assert "decoder.up.1.upsample.conv.weight" in weights


def test_the_number_of_parameters_is_the_published_vaes():
    vae = SD3VAE(block_out_channels=(4, 8, 16, 16), norm_num_groups=2)
    assert len(list(vae.get_parameters())) == 244  # tensors in stable-diffusion-3.5's vae folder


def test_the_latent_has_a_frame_for_every_frame_and_the_ratio_of_the_levels_in_space():
    assert SD3VAE(block_out_channels=(4, 4, 4, 4), norm_num_groups=2).latent_size((5, 64, 32)) == (5, 8, 4)


def test_decoding_gives_the_frames_wanted_and_refuses_more_than_there_are():
    vae = model()
    z = ms.Tensor(np.zeros((1, LATENT, 3, 2, 2), np.float32))
    assert vae.decode(z, num_target_frames=2).shape == (1, 3, 2, 4, 4)
    with pytest.raises(ValueError, match="num_target_frames is 4; a latent of 3 frames"):
        vae.decode(z, target_num_frames=4)


def test_a_size_that_does_not_halve_is_refused():
    with pytest.raises(ValueError, match="width is 9 pixels"):
        model().encode(ms.Tensor(np.zeros((1, 3, 1, 8, 9), np.float32)))


def test_the_noise_of_a_step_is_the_same_for_the_same_generator():
    vae, x = model(), video((2, 3, 2, 8, 8))
    (x1, noise1), (_, noise2) = (vae.training_inputs((x,), np.random.default_rng(5)) for _ in range(2))
    assert x1 is x and noise1.shape == (2, LATENT, 2, 4, 4) and noise1.dtype == np.float32
    np.testing.assert_array_equal(noise1, noise2)


def test_deterministic_encoding_gives_the_mean_for_z():
    vae, _ = randomised(model(sample_deterministic=True))
    z, mean, _ = vae.encode(ms.Tensor(video((1, 3, 1, 8, 8))))
    np.testing.assert_array_equal(z.asnumpy(), mean.asnumpy())
