"""Claims on the outlier penalty."""

import numpy as np
import pytest

import mindspore as ms

from mindone_tae.losses import OutlierPenalty
from mindone_tae.zoo.errors import UserError

pytestmark = pytest.mark.usefixtures("mode")

LATENT = (2, 4, 2, 6, 5)
X = ms.Tensor(np.zeros((1,), np.float32))  # not used
FORMS = ["norm", "elementwise"]


def of_latent(loss):
    """The loss as a function of z alone, to differentiate."""

    def penalised(z):
        return loss((X, z), X)

    return penalised


def penalty(z, form, radius=3.0):
    """The two definitions, written out position by position, in float64."""
    b, zc, lt, lh, lw = z.shape
    frames = []
    for i in range(b):
        for j in range(lt):
            frame = z[i, :, j].astype(np.float64)
            mean = np.array([channel.mean() for channel in frame])
            std = np.array([np.sqrt(((channel - channel.mean()) ** 2).mean()) for channel in frame])
            over = []
            for y in range(lh):
                for x in range(lw):
                    if form == "norm":
                        over.append(max(np.linalg.norm(frame[:, y, x] - mean) - radius * np.linalg.norm(std), 0))
                    else:
                        over.extend(np.maximum(np.abs(frame[:, y, x] - mean) - radius * std, 0))
            frames.append(np.mean(over))
    return np.mean(frames)


def outlying():
    z = np.random.default_rng(0).standard_normal(LATENT).astype(np.float32) * 0.3
    z[0, :, 1, 2, 3] += 20
    z[1, 2, 0, 5, 4] -= 15
    return z


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("radius", [3.0, 1.0])
def test_equals_the_definition_written_out(form, radius):
    z = outlying()
    expected = penalty(z, form, radius)
    assert expected > 0.01
    assert float(OutlierPenalty(form, radius)((X, ms.Tensor(z)), X)) == pytest.approx(expected, rel=1e-4)


def test_the_papers_form_is_the_default():
    z = outlying()
    assert penalty(z, "norm") != pytest.approx(penalty(z, "elementwise"), rel=0.05)
    assert float(OutlierPenalty()((X, ms.Tensor(z)), X)) == pytest.approx(penalty(z, "norm"), rel=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_latents_within_the_radius_cost_nothing(form):
    z = np.random.default_rng(1).uniform(-1, 1, LATENT).astype(np.float32)  # none beyond 3 standard deviations
    assert float(OutlierPenalty(form)((X, ms.Tensor(z)), X)) == 0


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("fill", [0.0, 0.3])
def test_constant_latents_have_a_finite_gradient(form, fill):
    value, gradient = ms.value_and_grad(of_latent(OutlierPenalty(form)))(ms.Tensor(np.full(LATENT, fill, np.float32)))
    assert float(value) == pytest.approx(0, abs=1e-6)
    assert np.isfinite(gradient.asnumpy()).all()


@pytest.mark.parametrize("form", FORMS)
def test_one_latent_position_a_frame_has_a_finite_gradient(form):
    gradient = ms.grad(of_latent(OutlierPenalty(form)))(ms.Tensor(outlying()[..., :1, :1]))
    assert np.isfinite(gradient.asnumpy()).all()


@pytest.mark.parametrize("form", FORMS)
def test_gradient_equals_finite_differences(form):
    z, step = outlying(), 1e-5
    gradient = ms.grad(of_latent(OutlierPenalty(form)))(ms.Tensor(z)).asnumpy()
    rng = np.random.default_rng(4)
    for at in [(0, 1, 1, 2, 3), (1, 2, 0, 5, 4), *(tuple(rng.integers(LATENT)) for _ in range(4))]:
        ends = []
        for sign in (1, -1):
            moved = z.astype(np.float64)
            moved[at] += sign * step
            ends.append(penalty(moved, form))
        assert gradient[at] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-3, abs=1e-6)


def test_float16_latents_are_measured_in_float32():
    z = (outlying() * 30).astype(np.float16)  # squares beyond float16's range
    loss = OutlierPenalty()((X, ms.Tensor(z)), X)
    assert loss.dtype == ms.float32
    assert float(loss) == pytest.approx(penalty(z, "norm"), rel=1e-4)


def test_a_model_without_latent_is_refused():
    with pytest.raises(UserError, match="returned 1 tensor;.*outlier penalty"):
        OutlierPenalty()((X,), X)


def test_an_unknown_form_names_the_known_ones():
    with pytest.raises(UserError, match="'l2'.*norm, elementwise"):
        OutlierPenalty("l2")


def test_a_negative_radius_is_refused():
    with pytest.raises(UserError, match="-1; it must be from 0"):
        OutlierPenalty(radius=-1)
