"""Claims on the discriminators and their losses."""

import numpy as np
import pytest

import mindspore as ms

from mindone_tae.losses import PatchGAN2D, PatchGAN3D
from mindone_tae.zoo.errors import UserError

CLASSES = [PatchGAN2D, PatchGAN3D]
SMALL = {"width": 4, "layers": 2}
SHAPE = (2, 3, 5, 16, 20)


def pixels(shape=SHAPE, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def weighty(cls, **keywords):
    """A discriminator whose weights are large enough to tell formulas apart, and its weights by name in float64."""
    net, rng = cls(**{**SMALL, **keywords}), np.random.default_rng(1)
    for parameter in net.get_parameters():
        spread = 0.5 if parameter.ndim == 1 else 1 / np.sqrt(np.prod(parameter.shape[1:]))
        value = rng.standard_normal(parameter.shape) * spread + parameter.name.endswith("gamma")
        parameter.set_data(ms.Tensor(value.astype(np.float32)))
    return net, {parameter.name: parameter.asnumpy().astype(np.float64) for parameter in net.get_parameters()}


def convolve(x, weight, stride, bias=0.0):
    """Padded by one on every side; over the axes that the kernel has."""
    axes = tuple(range(2, x.ndim))
    padded = np.pad(x, [(0, 0), (0, 0), *[(1, 1)] * len(axes)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2:], axis=axes)
    windows = windows[(slice(None), slice(None), *[slice(None, None, stride)] * len(axes))]
    y = np.tensordot(windows, weight, axes=([1, *range(x.ndim, windows.ndim)], list(range(1, weight.ndim))))
    return np.moveaxis(y, -1, 1) + np.reshape(bias, (1, -1, *[1] * len(axes)))


def normalize(x, gamma, beta):
    """Group norm with two channels a group, the groups that widths 8 and 16 get."""
    n, c = x.shape[:2]
    grouped = x.reshape(n, c // 2, -1)
    grouped = (grouped - grouped.mean(-1, keepdims=True)) / np.sqrt(grouped.var(-1, keepdims=True) + 1e-6)
    ones = [1] * (x.ndim - 2)
    return grouped.reshape(x.shape) * gamma.reshape(1, -1, *ones) + beta.reshape(1, -1, *ones)


def leaky(v):
    return np.where(v > 0, v, 0.2 * v)


def by_numpy(weights, x, two):
    """The network of two layers, written out: logits of x (b, c, t, h, w)."""
    x = x.astype(np.float64)
    if two:
        b, c, t, h, w = x.shape
        x = x.transpose(0, 2, 1, 3, 4).reshape(b * t, c, h, w)
    x = leaky(convolve(x, weights["first.weight"], 2, weights["first.bias"]))
    for i, stride in enumerate((2, 1)):
        x = convolve(x, weights[f"convs.{i}.weight"], stride)
        x = leaky(normalize(x, weights[f"norms.{i}.gamma"], weights[f"norms.{i}.beta"]))
    return convolve(x, weights["last.weight"], 1, weights["last.bias"])


@pytest.mark.parametrize("cls", CLASSES)
def test_logits_equal_numpy(mode, cls):
    net, weights = weighty(cls)
    expected = by_numpy(weights, pixels(), cls is PatchGAN2D)
    assert expected.std() > 0.1
    np.testing.assert_allclose(net(ms.Tensor(pixels())).asnumpy(), expected, atol=1e-4)


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("objective", ["hinge", "vanilla"])
def test_what_the_autoencoder_pays_has_the_gradient_of_finite_differences(mode, cls, objective):
    net, weights = weighty(cls, objective=objective)

    def charged(x):
        return net.generator_loss(net(x))

    gradient = ms.grad(charged)(ms.Tensor(pixels())).asnumpy()
    rng, step = np.random.default_rng(2), 1e-6
    for _ in range(4):
        at, ends = tuple(rng.integers(SHAPE)), []
        for sign in (1, -1):
            moved = pixels().astype(np.float64)
            moved[at] += sign * step
            logits = by_numpy(weights, moved, cls is PatchGAN2D)
            ends.append(-logits.mean() if objective == "hinge" else np.log1p(np.exp(-logits)).mean())
        assert gradient[at] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=5e-3, abs=1e-6)


@pytest.mark.parametrize("objective", ["hinge", "vanilla"])
def test_what_the_discriminator_pays_has_the_gradient_of_finite_differences(mode, objective):
    net, weights = weighty(PatchGAN3D, objective=objective)
    real, fake = pixels(), pixels(seed=3)

    def by_weights(weights):
        r, f = (by_numpy(weights, x, False) for x in (real, fake))
        if objective == "hinge":
            return 0.5 * (np.maximum(1 - r, 0).mean() + np.maximum(1 + f, 0).mean())
        return 0.5 * (np.log1p(np.exp(-r)).mean() + np.log1p(np.exp(f)).mean())

    def charged(real, fake):
        return net.discriminator_loss(net(real), net(fake))

    loss, gradients = ms.value_and_grad(charged, None, net.trainable_params())(ms.Tensor(real), ms.Tensor(fake))
    assert float(loss) == pytest.approx(by_weights(weights), rel=1e-4)
    rng, step = np.random.default_rng(4), 1e-6
    for parameter, gradient in zip(net.trainable_params(), gradients):
        at, ends = tuple(rng.integers(parameter.shape)), []
        for sign in (1, -1):
            moved = {name: value.copy() for name, value in weights.items()}
            moved[parameter.name][at] += sign * step
            ends.append(by_weights(moved))
        assert gradient.asnumpy()[at] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-2, abs=2e-5), (
            parameter.name
        )


def test_logits_beyond_exps_range_cost_finitely():
    net = PatchGAN2D(objective="vanilla", **SMALL)
    logits = ms.Tensor(np.array([-1000.0, 1000.0], np.float32))
    assert float(net.generator_loss(logits)) == 500
    assert float(net.discriminator_loss(logits, logits)) == 500


@pytest.mark.parametrize("cls", CLASSES)
def test_a_clip_is_judged_by_itself(cls):
    net, _ = weighty(cls)
    together = net(ms.Tensor(pixels())).asnumpy()
    alone = net(ms.Tensor(pixels()[1:])).asnumpy()
    np.testing.assert_allclose(together[len(together) // 2 :], alone, atol=1e-5)


def test_frames_are_judged_one_by_one_in_2d_and_together_in_3d():
    swapped = pixels()[:, :, ::-1].copy()
    net, _ = weighty(PatchGAN2D)
    first, other = (net(ms.Tensor(x)).asnumpy().reshape(2, 5, -1) for x in (pixels(), swapped))
    np.testing.assert_allclose(first, other[:, ::-1], atol=1e-5)
    net, _ = weighty(PatchGAN3D)
    first, other = (net(ms.Tensor(x)).asnumpy() for x in (pixels(), swapped))
    assert np.abs(first - other[:, :, ::-1]).max() > 0.05


@pytest.mark.parametrize("cls, expected", [(PatchGAN2D, (1, 1, 6, 6)), (PatchGAN3D, (1, 1, 1, 6, 6))])
def test_one_frame_is_a_clip(mode, cls, expected):
    assert cls(width=2)(ms.Tensor(pixels((1, 3, 1, 64, 64)))).shape == expected


def test_its_size_is_that_of_the_published_network():
    # pix2pix reports 2.769 million for six channels in; three fewer are 3 * 64 * 16 weights fewer
    assert sum(parameter.size for parameter in PatchGAN2D(in_channels=6).trainable_params()) == 2768705
    assert sum(parameter.size for parameter in PatchGAN2D().trainable_params()) == 2768705 - 3 * 64 * 16


@pytest.mark.parametrize("cls", CLASSES)
def test_frames_too_small_for_its_layers_are_refused(mode, cls):
    with pytest.raises(UserError, match="at least 24.*discriminator.layers"):
        cls(width=2)(ms.Tensor(pixels((1, 3, 2, 16, 64))))


def test_a_wrong_keyword_is_refused():
    with pytest.raises(UserError, match="'wasserstein'.*hinge, vanilla"):
        PatchGAN2D(objective="wasserstein")
    with pytest.raises(UserError, match="layers is 0; it must be from 1 to"):
        PatchGAN3D(layers=0)
    with pytest.raises(UserError, match="width is '8'; it must be from 1 to"):
        PatchGAN2D(width="8")
