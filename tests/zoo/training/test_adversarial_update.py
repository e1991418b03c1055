"""One adversarial step of two networks, against the formulas."""

import numpy as np
import pytest

import mindspore as ms
from mindspore import nn

from mindone_tae.zoo.training.adversarial_update import AdaptiveWeight, JudgedGradients
from mindone_tae.zoo.training.update import ForwardWithLoss, Gradients, NetworkUpdate, TrainStep

# Two networks small enough to work out by hand: recon = factor * x, logits = slope * pixels, the square error.


class Scale(nn.Cell):
    def __init__(self):
        super().__init__()
        self.first = ms.Parameter(ms.Tensor(1.0, ms.float32), name="first")
        self.factor = ms.Parameter(ms.Tensor([[0.25]], ms.float32), name="factor")

    def construct(self, x):
        return x * self.factor[0, 0] * self.first


class SquareError(nn.Cell):
    term_names = ("mse",)

    def construct(self, recon, x):
        error = (recon - x) ** 2
        return 10 * error.mean(), error.mean()


class Slope(nn.Cell):
    def __init__(self, spoilt=False):
        super().__init__()
        self.spoilt = spoilt
        self.slope = ms.Parameter(ms.Tensor([0.5], ms.float32), name="discriminator.slope")

    def construct(self, x):
        return x * self.slope

    def generator_loss(self, fake):
        return -fake.mean()

    def discriminator_loss(self, real, fake):
        loss = 0.5 * (ms.ops.relu(1 - real).mean() + ms.ops.relu(1 + fake).mean())
        return loss * np.inf if self.spoilt else loss


RATE, JUDGE_RATE, WEIGHT = 0.125, 0.25, 0.5
X = np.random.default_rng(0).uniform(0.1, 0.9, (4, 3)).astype(np.float32)


def build(adaptive=True, scale=1.0, micro_steps=1, clip_norm=None, spoilt=False, judged=True):
    model, loss, judge = Scale(), SquareError(), Slope(spoilt)

    def update(parameters, rate):
        return NetworkUpdate(nn.SGD(parameters, rate), ms.Tensor(scale, ms.float32), None, micro_steps, clip_norm)

    of_model, of_judge = update(model.trainable_params(), RATE), update(judge.trainable_params(), JUDGE_RATE)
    for parameter in of_judge.get_parameters():
        if "discriminator." not in parameter.name:
            parameter.name = "discriminator." + parameter.name
    if not judged:
        return model, judge, TrainStep(Gradients(ForwardWithLoss(model, loss, 1), of_model), of_model)
    ratio = AdaptiveWeight(model, loss, 1, judge, model.factor, of_model) if adaptive else None
    gradients = JudgedGradients(model, loss, 1, judge, of_model, of_judge, WEIGHT, ratio)
    return model, judge, TrainStep(gradients, of_model, of_judge)


def run(step, x=X, last=True):
    return step(last, ms.Tensor(x), ms.Tensor(x))


def by_hand(x, adaptive=True, factor=0.25, slope=0.5):
    """Everything one step gives, from the formulas: the terms, and factor, first and slope after it."""
    x = x.astype(np.float64)
    recon = factor * x
    mse, adversarial_loss = ((recon - x) ** 2).mean(), -(slope * recon).mean()
    of_loss, of_adversarial = 10 * (2 * (recon - x) * x).mean(), -(slope * x).mean()
    weight = WEIGHT * (abs(of_loss) / (abs(of_adversarial) + 1e-4) if adaptive else 1)
    real, fake = slope * x, slope * recon
    discriminator_loss = 0.5 * (np.maximum(1 - real, 0).mean() + np.maximum(1 + fake, 0).mean())
    slope_gradient = 0.5 * (-(x * (real < 1)).mean() + (recon * (fake > -1)).mean())
    gradient = of_loss + weight * of_adversarial
    terms = [
        10 * mse + weight * adversarial_loss,
        mse,
        adversarial_loss,
        weight,
        discriminator_loss,
        real.mean(),
        fake.mean(),
    ]
    after = factor - RATE * gradient, 1 - RATE * gradient * factor, slope - JUDGE_RATE * slope_gradient
    return terms, after, np.hypot(gradient, gradient * factor)


def values(model, judge):
    return float(model.factor.asnumpy()[0, 0]), float(model.first.asnumpy()), float(judge.slope.asnumpy()[0])


@pytest.mark.graph_mode(where=lambda row: row["adaptive"] and row["scale"] > 1)
@pytest.mark.parametrize("adaptive, scale", [(True, 4096.0), (True, 1.0), (False, 4096.0)])
def test_one_step_is_what_the_formulas_give_at_any_loss_scale(mode, adaptive, scale):
    model, judge, step = build(adaptive, scale)
    terms, norm, refused = run(step)
    expected, after, expected_norm = by_hand(X, adaptive)
    assert [float(term) for term in terms] == pytest.approx(expected, rel=1e-5)
    assert values(model, judge) == pytest.approx(after, rel=1e-5)
    assert (float(norm), bool(refused)) == (pytest.approx(expected_norm, rel=1e-5), False)


def test_without_its_judge_it_is_the_models_own_step(mode):
    model, judge, step = build(judged=False)
    terms, *_ = run(step)
    mse = ((0.75 * X.astype(np.float64)) ** 2).mean()
    gradient = 10 * (-1.5 * X.astype(np.float64) * X).mean()
    assert [float(term) for term in terms] == pytest.approx([10 * mse, mse], rel=1e-5)
    assert values(model, judge) == pytest.approx((0.25 - RATE * gradient, 1 - RATE * gradient * 0.25, 0.5), rel=1e-5)


def test_two_micro_steps_make_the_step_of_both(mode):
    model, judge, step = build(adaptive=False, micro_steps=2)
    assert run(step, X[:2], last=False).refused is None and values(model, judge) == (0.25, 1.0, 0.5)
    run(step, X[2:])
    _, after, _ = by_hand(X, adaptive=False)
    assert values(model, judge) == pytest.approx(after, rel=1e-5)


def test_each_network_is_clipped_by_its_own_norm(mode):
    model, judge, step = build(clip_norm=0.01)
    run(step)
    factor, first, slope = values(model, judge)
    assert np.hypot(factor - 0.25, first - 1) == pytest.approx(RATE * 0.01, rel=1e-3)
    assert abs(slope - 0.5) == pytest.approx(JUDGE_RATE * 0.01, rel=1e-3)


def test_a_pixel_that_is_not_finite_changes_neither_network(mode):
    model, judge, step = build()
    x = X.copy()
    x[1, 1] = np.nan
    *_, refused = run(step, x)
    assert bool(refused) and values(model, judge) == (0.25, 1.0, 0.5)
    *_, refused = run(step)
    assert not bool(refused) and values(model, judge) == pytest.approx(by_hand(X)[1], rel=1e-5)


def test_a_discriminator_that_is_not_finite_changes_the_model_neither(mode):
    model, judge, step = build(spoilt=True)
    terms, norm, refused = run(step)
    assert np.isfinite([float(terms[0]), float(norm)]).all() and bool(refused)
    assert values(model, judge) == (0.25, 1.0, 0.5)
