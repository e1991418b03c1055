"""Claims on the KL divergence."""

import numpy as np
import pytest
from scipy import integrate, stats

import mindspore as ms

from mindone_tae.losses import KLLoss
from mindone_tae.zoo.errors import UserError

pytestmark = pytest.mark.usefixtures("mode")

LATENT = (2, 4, 2, 3, 3)
X = ms.Tensor(np.zeros((2, 3, 9, 24, 24), np.float32))


def outputs(mean, logvar):
    mean, logvar = (ms.Tensor(np.broadcast_to(v, LATENT).astype(np.float32)) for v in (mean, logvar))
    return X, mean, mean, logvar


def test_one_latent_value_costs_its_kl_by_numerical_integration():
    mean, logvar = 0.7, -0.9
    posterior, prior = stats.norm(mean, np.exp(logvar / 2)), stats.norm()
    expected, _ = integrate.quad(lambda v: posterior.pdf(v) * (posterior.logpdf(v) - prior.logpdf(v)), -8, 8)
    loss = float(KLLoss()(outputs(mean, logvar), X))
    assert loss * (2 * 9) / np.prod(LATENT) == pytest.approx(expected, rel=1e-4)


def test_the_sum_is_divided_by_frames_of_pixels_not_of_latent():
    rng = np.random.default_rng(0)
    mean, logvar = rng.standard_normal((2, *LATENT))
    expected = 0.5 * (mean**2 + np.exp(logvar) - 1 - logvar).sum() / (2 * 9)
    assert float(KLLoss()(outputs(mean, logvar), X)) == pytest.approx(expected, rel=1e-5)


def test_a_standard_normal_posterior_costs_nothing():
    assert float(KLLoss()(outputs(0, 0), X)) == 0


@pytest.mark.parametrize("logvar, limit", [(-1000, -30), (1000, 20)])
def test_logvar_beyond_the_posteriors_limits_is_clipped(logvar, limit):
    expected = 0.5 * (np.exp(float(limit)) - 1 - limit) * np.prod(LATENT) / (2 * 9)
    assert float(KLLoss()(outputs(0, logvar), X)) == pytest.approx(expected, rel=1e-5)


def test_gradient_equals_finite_differences():
    values = np.random.default_rng(2).standard_normal((2, *LATENT)).astype(np.float32)
    loss = KLLoss()

    def of_moments(mean, logvar):
        return loss((X, mean, mean, logvar), X)

    gradients = ms.grad(of_moments, grad_position=(0, 1))(ms.Tensor(values[0]), ms.Tensor(values[1]))
    rng, step = np.random.default_rng(3), 1e-5
    for _ in range(6):
        at = (rng.integers(2), *rng.integers(LATENT))
        ends = []
        for sign in (1, -1):
            moved = values.astype(np.float64)
            moved[at] += sign * step
            ends.append(0.5 * (moved[0] ** 2 + np.exp(moved[1]) - 1 - moved[1]).sum() / 18)
        assert gradients[at[0]].asnumpy()[at[1:]] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("given", [X, (X,)], ids=["tensor", "one_tuple"])
def test_a_model_without_posterior_is_refused(given):
    with pytest.raises(UserError, match=r"returned 1 tensor;.*\(recon, z, mean, logvar\)"):
        KLLoss()(given, X)
