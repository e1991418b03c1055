"""Claims on the whole objective."""

import numpy as np
import pytest

import mindspore as ms

from mindone_tae.losses import TAELoss
from mindone_tae.zoo.errors import UserError

B, C, T, H, W = PIXELS = (1, 3, 2, 16, 24)
LATENT = (1, 4, 1, 4, 6)
FRAME_SIZE = C * H * W
ALL = {"kl_weight": 0.01, "perceptual_weight": 0.5, "opl_weight": 30.0, "opl_radius": 1.0}


def batch():
    rng = np.random.default_rng(0)
    x, recon = rng.uniform(-1, 1, (2, *PIXELS))
    z, mean, logvar = rng.standard_normal((3, *LATENT))
    return [v.astype(np.float32) for v in (recon, z, mean, logvar, x)]


def tensors(arrays):
    *outputs, x = (ms.Tensor(a) for a in arrays)
    return tuple(outputs), x


def frames_of(*videos):
    """Each as (b*t, c, h, w)."""
    return [np.moveaxis(v, 2, 1).reshape(B * T, C, H, W) for v in videos]


def terms_by_numpy(recon, z, mean, logvar, x, lpips):
    """Every term in float64, unweighted, in the units of the log."""
    centred = z - z.mean(axis=(3, 4), keepdims=True)
    distance = np.linalg.norm(centred, axis=1)
    spread = np.linalg.norm(z.std(axis=(3, 4)), axis=1)
    return {
        "l1": np.abs(recon - x).mean(),
        "lpips": lpips(*frames_of(recon, x)).mean(),
        "kl": 0.5 * (mean**2 + np.exp(logvar) - 1 - logvar).sum() / (B * T),
        "opl": np.maximum(distance - spread[..., None, None], 0).mean(),
    }


def total_by_numpy(terms):
    return FRAME_SIZE * terms["l1"] + 0.5 * FRAME_SIZE * terms["lpips"] + 0.01 * terms["kl"] + 30 * terms["opl"]


@pytest.fixture(scope="module")
def whole(lpips_file):
    """The loss with all of its terms; compiled once for all tests."""
    return TAELoss(lpips_path=lpips_file, **ALL)


def double(arrays):
    return [a.astype(np.float64) for a in arrays]


def test_total_and_terms_equal_numpy(mode, whole, lpips_by_numpy):
    outputs, x = tensors(batch())
    total, *terms = (float(v) for v in whole(outputs, x))
    expected = terms_by_numpy(*double(batch()), lpips_by_numpy)
    assert min(expected.values()) > 1e-3
    assert dict(zip(whole.term_names, terms)) == pytest.approx(expected, rel=1e-3)
    assert total == pytest.approx(total_by_numpy(expected), rel=1e-4)


def test_reduction_mean_is_the_same_objective_divided_by_the_frames_size(whole, lpips_file):
    outputs, x = tensors(batch())
    summed, *summed_terms = (float(v) for v in whole(outputs, x))
    mean, *mean_terms = (float(v) for v in TAELoss(lpips_path=lpips_file, reduction="mean", **ALL)(outputs, x))
    assert mean * FRAME_SIZE == pytest.approx(summed, rel=1e-5)
    assert mean_terms == pytest.approx(summed_terms, rel=1e-5)


def test_gradients_of_every_output_equal_finite_differences(whole, lpips_by_numpy):
    arrays = batch()
    x = ms.Tensor(arrays[-1])
    unmoved = lpips_by_numpy(*frames_of(*double([arrays[0], arrays[-1]])))
    gradients = ms.grad(lambda *outputs: whole(outputs, x)[0], grad_position=(0, 1, 2, 3))(*tensors(arrays)[0])
    rng, step = np.random.default_rng(5), 1e-6
    for i in (0, 0, 1, 1, 2, 3):
        at = tuple(rng.integers(arrays[i].shape))
        ends = []
        for sign in (1, -1):
            moved = double(arrays)
            moved[i][at] += sign * step
            lpips = lpips_by_numpy if i == 0 else lambda *_: unmoved  # only the first output is looked at
            ends.append(total_by_numpy(terms_by_numpy(*moved, lpips)))
        assert gradients[i].asnumpy()[at] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=5e-3, abs=1e-5)


def gradient_of_all_that_is_returned(loss, arrays):
    x = ms.Tensor(arrays[-1])

    def of_outputs(recon, z, mean, logvar):
        return loss((recon, z, mean, logvar), x)

    return [g.asnumpy() for g in ms.grad(of_outputs, grad_position=(0, 1, 2, 3))(*tensors(arrays)[0])]


def test_graph_mode_equals_pynative(whole, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    before, found = ms.get_context("mode"), []
    outputs, x = tensors(batch())
    try:
        for mode in (ms.PYNATIVE_MODE, ms.GRAPH_MODE):
            ms.set_context(mode=mode, device_target="CPU")
            found.append(([float(v) for v in whole(outputs, x)], gradient_of_all_that_is_returned(whole, batch())))
    finally:
        ms.set_context(mode=before)
    (pynative, pynative_gradients), (graph, graph_gradients) = found
    assert graph == pytest.approx(pynative, rel=1e-5)
    for one, other in zip(graph_gradients, pynative_gradients):
        assert np.abs(other).max() > 0
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def test_terms_add_nothing_to_the_gradient(mode):
    # A host that differentiates every output must train on the total alone.
    loss, arrays = TAELoss(kl_weight=0.5), batch()
    gradients = gradient_of_all_that_is_returned(loss, arrays)
    np.testing.assert_allclose(gradients[2], 0.5 * arrays[2] / (B * T), rtol=1e-5)  # d KL / d mean = mean
    np.testing.assert_allclose(gradients[0], np.sign(arrays[0] - arrays[-1]) / (B * T), rtol=1e-5)


def test_only_active_terms_are_named_and_returned(mode, lpips_file):
    outputs, x = tensors(batch())
    for keywords, names in (
        ({}, ("l1", "kl")),
        ({"kl_weight": 0.0}, ("l1",)),
        ({"reconstruction": "mse", "opl_weight": 1e5}, ("mse", "kl", "opl")),
        ({"lpips_path": lpips_file, "kl_weight": 0.0}, ("l1", "lpips")),
        ({"lpips_path": lpips_file, "perceptual_weight": 0.0}, ("l1", "kl")),
    ):
        loss = TAELoss(**keywords)
        assert loss.term_names == names
        assert len(loss(outputs, x)) == 1 + len(names)


def test_mse_is_logged_as_a_mean_over_pixels(mode):
    arrays = batch()
    outputs, x = tensors(arrays)
    recon, target = double([arrays[0], arrays[-1]])
    total, mse = TAELoss(reconstruction="mse", kl_weight=0.0)(outputs, x)
    assert float(mse) == pytest.approx(((recon - target) ** 2).mean(), rel=1e-5)
    assert float(total) == pytest.approx(((recon - target) ** 2).sum() / T, rel=1e-5)


def test_a_perfect_reconstruction_from_a_standard_posterior_costs_nothing(mode, whole):
    x, zeros = ms.Tensor(np.full(PIXELS, 0.25, np.float32)), ms.Tensor(np.zeros(LATENT, np.float32))
    assert [float(v) for v in whole((x, zeros, zeros, zeros), x)] == [0] * 5


@pytest.mark.graph_mode(where=lambda row: row["given"] == "tensor")
@pytest.mark.parametrize("given", ["tensor", "one_tuple"])
def test_a_model_without_posterior_trains_with_kl_off_and_is_told_so(mode, given):
    (recon, *_), x = tensors(batch())
    outputs = recon if given == "tensor" else (recon,)
    with pytest.raises(UserError, match="loss.kl_weight: 0"):
        TAELoss()(outputs, x)
    with pytest.raises(UserError, match="loss.opl_weight: 0"):
        TAELoss(kl_weight=0.0, opl_weight=1.0)(outputs, x)
    assert np.isfinite(float(TAELoss(kl_weight=0.0)(outputs, x)[0]))


def test_lpips_left_out_is_noted_with_the_way_to_have_it(lpips_file):
    (note,) = TAELoss().notes
    assert "loss.lpips_path" in note and "perceptual_weight 1.0" in note and "mindone-tae lpips-weights" in note
    assert TAELoss(lpips_path=lpips_file).notes == []
    assert TAELoss(perceptual_weight=0.0).notes == []


def test_a_missing_lpips_file_is_an_error_not_a_silent_omission():
    with pytest.raises(UserError, match="loss.lpips_path is 'nowhere'"):
        TAELoss(lpips_path="nowhere")


def test_nothing_in_the_loss_is_trained(lpips_file):
    assert TAELoss(lpips_path=lpips_file).trainable_params() == []


@pytest.mark.parametrize(
    "keywords, message",
    [
        ({"reconstruction": "l2"}, "'l2'.*l1, mse"),
        ({"reduction": "sum"}, "'sum'.*frame_sum, mean"),
        ({"opl_form": "max"}, "'max'.*norm, elementwise"),
        ({"kl_weight": -1.0}, "kl_weight is -1.0; it must be from 0 to"),
        ({"kl_weight": "1e-6"}, "kl_weight is '1e-6'; it must be from 0 to"),
        ({"opl_weight": float("nan")}, "opl_weight is nan; it must be from 0 to"),
        ({"opl_radius": -1}, "radius is -1; it must be from 0 to"),
    ],
)
def test_a_wrong_keyword_names_the_right_ones(keywords, message):
    with pytest.raises(UserError, match=message):
        TAELoss(**keywords)
