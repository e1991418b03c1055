"""Training against a discriminator: what one step computes, and that a run stopped and resumed is the run that was not."""

import json
import shutil

import mindspore as ms
import numpy as np
import pytest
from mindspore import nn
from safetensors.numpy import load_file

from mindone_tae.zoo import Trainer, UserError, load_recipe
from mindone_tae.zoo.adversarial_step import AdaptiveWeight, AdversarialStep, DiscriminatorForward, JudgedForward
from mindone_tae.zoo.step import TrainStep

GAN_TERMS = ["gan_g", "gan_weight", "gan_d", "logits_real", "logits_fake"]
PATCHGAN = ("discriminator={name: patchgan_2d, width: 2, layers: 1}",)


@pytest.fixture(autouse=True)
def modes_restored():
    yield
    ms.set_context(mode=ms.PYNATIVE_MODE)


@pytest.fixture(params=[ms.PYNATIVE_MODE, ms.GRAPH_MODE], ids=["pynative", "graph"])
def mode(request, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    ms.set_context(mode=request.param)
    return request.param


# One step of two networks small enough to work out by hand: recon = factor * x, logits = slope * pixels, the square error.


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


def build(adaptive=True, scale=1.0, micro_steps=1, clip_norm=None, spoilt=False):
    model, loss, judge = Scale(), SquareError(), Slope(spoilt)

    def step(forward, parameters, rate):
        optimizer = nn.SGD(parameters, rate)
        return TrainStep(forward, optimizer, ms.Tensor(scale, ms.float32), None, micro_steps, clip_norm)

    model_step = step(JudgedForward(model, loss, 1, judge), model.trainable_params(), RATE)
    judge_step = step(DiscriminatorForward(judge), judge.trainable_params(), JUDGE_RATE)
    for parameter in judge_step.get_parameters():
        if not parameter.name.startswith("discriminator"):
            parameter.name = "discriminator." + parameter.name
    ratio = AdaptiveWeight(model, loss, 1, judge, model.factor, model_step) if adaptive else None
    return model, judge, AdversarialStep(model_step, judge_step, WEIGHT, ratio, 1)


def run(step, x=X, last=True, judged=True):
    return step(last, judged, ms.Tensor(x), ms.Tensor(x))


def by_hand(x, adaptive=True, factor=0.25, slope=0.5):
    """Everything one step gives, from the formulas: the terms, and factor, first and slope after it."""
    x = x.astype(np.float64)
    recon = factor * x
    mse, charge = ((recon - x) ** 2).mean(), -(slope * recon).mean()
    pull, push = 10 * (2 * (recon - x) * x).mean(), -(slope * x).mean()
    weight = WEIGHT * (abs(pull) / (abs(push) + 1e-4) if adaptive else 1)
    real, fake = slope * x, slope * recon
    verdict = 0.5 * (np.maximum(1 - real, 0).mean() + np.maximum(1 + fake, 0).mean())
    slope_gradient = 0.5 * (-(x * (real < 1)).mean() + (recon * (fake > -1)).mean())
    gradient = pull + weight * push
    terms = [10 * mse + weight * charge, mse, charge, weight, verdict, real.mean(), fake.mean()]
    after = factor - RATE * gradient, 1 - RATE * gradient * factor, slope - JUDGE_RATE * slope_gradient
    return terms, after, np.hypot(gradient, gradient * factor)


def values(model, judge):
    return float(model.factor.asnumpy()[0, 0]), float(model.first.asnumpy()), float(judge.slope.asnumpy()[0])


@pytest.mark.parametrize("adaptive, scale", [(True, 4096.0), (True, 1.0), (False, 4096.0)])
def test_one_step_is_what_the_formulas_give_at_any_loss_scale(mode, adaptive, scale):
    model, judge, step = build(adaptive, scale)
    terms, norm, refused, used = run(step)
    expected, after, expected_norm = by_hand(X, adaptive)
    assert [float(term) for term in terms] == pytest.approx(expected, rel=1e-5)
    assert values(model, judge) == pytest.approx(after, rel=1e-5)
    assert (float(norm), bool(refused), float(used)) == (pytest.approx(expected_norm, rel=1e-5), False, scale)


def test_without_its_judge_it_is_the_models_own_step(mode):
    model, judge, step = build()
    terms, norm, _, _ = run(step, judged=False)
    mse = ((0.75 * X.astype(np.float64)) ** 2).mean()
    gradient = 10 * (-1.5 * X.astype(np.float64) * X).mean()
    assert [float(term) for term in terms] == pytest.approx([10 * mse, mse], rel=1e-5)
    assert values(model, judge) == pytest.approx((0.25 - RATE * gradient, 1 - RATE * gradient * 0.25, 0.5), rel=1e-5)


def test_two_micro_steps_make_the_step_of_both(mode):
    model, judge, step = build(adaptive=False, micro_steps=2)
    *_, before, _ = run(step, X[:2], last=False)
    assert values(model, judge) == (0.25, 1.0, 0.5) and not bool(before)
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
    *_, refused, _ = run(step, x)
    assert bool(refused) and values(model, judge) == (0.25, 1.0, 0.5)
    *_, refused, _ = run(step)
    assert not bool(refused) and values(model, judge) == pytest.approx(by_hand(X)[1], rel=1e-5)


def test_a_discriminator_that_is_not_finite_changes_the_model_neither(mode):
    model, judge, step = build(spoilt=True)
    terms, norm, refused, _ = run(step)
    assert np.isfinite([float(terms[0]), float(norm)]).all() and bool(refused)
    assert values(model, judge) == (0.25, 1.0, 0.5)


# Whole runs.


def train(recipe_path, folder, *overrides, resume=False):
    return Trainer(load_recipe(recipe_path, (*PATCHGAN, *overrides)), folder, resume=resume).run()


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def checkpoint(folder, step):
    """Every file of a step, by its name after the step."""
    return {path.name.split(".", 1)[1]: load_file(path) for path in (folder / "checkpoints").glob(f"step_{step:08d}.*")}


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for file in one:
        assert one[file].keys() == other[file].keys() and len(one[file]) > 0
        for name in one[file]:
            np.testing.assert_array_equal(one[file][name], other[file][name], err_msg=f"{file} {name}")


def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(mode, foreign_recipe, tmp_path):
    # cut at step 2, after the discriminator has started and before it
    start_step = {ms.GRAPH_MODE: 1, ms.PYNATIVE_MODE: 3}[mode]
    settings = (f"env.mode={mode}", "train.ema_decay=0.9", "scheduler={name: cosine_decay, lr: 0.05, end_lr: 0.001, decay_steps: 5}")
    settings += (f"adversarial.start_step={start_step}", "adversarial.ema_decay=0.8", "adversarial.optimizer={name: adam, betas: [0.5, 0.9]}")
    settings += ("train.dynamic_loss_scale=true", "train.loss_scale=8", "train.steps=5", "train.save_every=2")
    train(foreign_recipe, tmp_path / "whole", *settings)
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    for step in (4, 5):  # as a kill after step 2 leaves it
        for path in (tmp_path / "cut/checkpoints").glob(f"step_{step:08d}.*"):
            path.unlink()
    latest = json.loads((tmp_path / "cut/checkpoints/latest.json").read_text().replace("step_00000005", "step_00000002"))
    (tmp_path / "cut/checkpoints/latest.json").write_text(json.dumps({**latest, "step": 2}))

    train(foreign_recipe, tmp_path / "cut", *settings, resume=True)
    for step in (4, 5):
        assert_equal(checkpoint(tmp_path / "cut", step), checkpoint(tmp_path / "whole", step))
    files = {f"{network}{part}safetensors" for network in ("", "discriminator.") for part in ("", "ema.", "state.")}
    assert checkpoint(tmp_path / "cut", 5).keys() == files
    for name in ("loss", *GAN_TERMS):
        assert [line.get(name) for line in lines(tmp_path / "cut")] == [line.get(name) for line in lines(tmp_path / "whole")]
    moved = [checkpoint(tmp_path / "whole", step)["discriminator.safetensors"] for step in (2, 4, 5)]
    same_at_first = all((moved[0][name] == moved[1][name]).all() for name in moved[0])
    assert not same_at_first and any((moved[1][name] != moved[2][name]).any() for name in moved[1])


def test_until_its_start_the_run_is_the_one_without_a_discriminator(foreign_recipe, tmp_path):
    settings = ("train.steps=4", "train.save_every=2", "train.keep_checkpoints=9")
    train(foreign_recipe, tmp_path / "judged", "adversarial.start_step=2", *settings)
    Trainer(load_recipe(foreign_recipe, settings), tmp_path / "alone").run()
    judged, alone = (checkpoint(tmp_path / name, 2) for name in ("judged", "alone"))
    np.testing.assert_array_equal(judged["safetensors"]["factor"], alone["safetensors"]["factor"])
    assert (checkpoint(tmp_path / "judged", 4)["safetensors"]["factor"] != checkpoint(tmp_path / "alone", 4)["safetensors"]["factor"]).any()
    logged = [[name for name in GAN_TERMS if name in line] for line in lines(tmp_path / "judged")]
    assert logged == [[], [], GAN_TERMS, GAN_TERMS]
    assert all(np.isfinite(line[name]) for line in lines(tmp_path / "judged")[2:] for name in GAN_TERMS)


def test_a_broken_clip_changes_nothing_of_either_network(foreign_recipe, tmp_path):
    settings = ("loader.shuffle=false", "train.batch_size=1", "train.save_every=1", "train.keep_checkpoints=9", "train.ema_decay=0.9")
    train(foreign_recipe, tmp_path / "run", *settings, "adversarial.ema_decay=0.9", "dataset.broken=1", "train.steps=3")
    assert [line["refused"] for line in lines(tmp_path / "run")] == [False, True, False]
    assert_equal(checkpoint(tmp_path / "run", 1), checkpoint(tmp_path / "run", 2))
    before, after = (checkpoint(tmp_path / "run", step) for step in (2, 3))
    assert all(any((before[file][name] != after[file][name]).any() for name in before[file]) for file in before)


def test_the_discriminators_learning_rate_begins_with_it_and_keeps_its_ratio(foreign_recipe, tmp_path):
    # Adam's first step is the learning rate's size, whatever the gradient.
    settings = ("scheduler={name: polynomial_decay, lr: 0.4, end_lr: 0.0, decay_steps: 4}", "train.steps=3", "train.save_every=1")
    adam = "{name: adam, eps: 1.0e-12, weight_decay: 0.0}"
    train(foreign_recipe, tmp_path / "run", *settings, f"adversarial.optimizer={adam}", "adversarial.start_step=1", "adversarial.learning_rate_ratio=0.01")
    before, after = (checkpoint(tmp_path / "run", step)["discriminator.safetensors"]["discriminator.last.weight"] for step in (1, 2))
    first, rate, _ = (line["learning_rate"] for line in lines(tmp_path / "run"))
    assert first == pytest.approx(0.4) and rate < 0.8 * first
    np.testing.assert_allclose(np.abs(after - before), 0.01 * rate, rtol=1e-3)


@pytest.mark.parametrize(
    "override, message",
    [
        ("adversarial.start_step=8", "adversarial.start_step is 8 and the run has 8 steps.*lower adversarial.start_step"),
        ("adversarial.last_layer=facto", "adversarial.last_layer is facto.*did you mean 'factor'"),
        ("discriminator={name: tae_temporal_downsample, channels: 4}", "tae_temporal_downsample; a discriminator has generator_loss and discriminator_loss"),
    ],
)
def test_what_cannot_be_trained_against_is_told(foreign_recipe, tmp_path, override, message):
    with pytest.raises(UserError, match=message):
        train(foreign_recipe, tmp_path / "run", override)


def test_a_recipe_with_a_discriminator_is_read_back_as_it_was_resolved(foreign_recipe, tmp_path):
    for overrides in ((), (*PATCHGAN, "adversarial={adaptive: false, weight: 2, optimizer: {name: adam}}")):
        recipe = load_recipe(foreign_recipe, overrides)
        (tmp_path / "resolved.yaml").write_text(recipe.to_yaml())
        assert load_recipe(tmp_path / "resolved.yaml") == recipe
    assert recipe.discriminator == {"name": "patchgan_2d", "width": 2, "layers": 1}
    assert (recipe.adversarial.adaptive, recipe.adversarial.weight, recipe.adversarial.optimizer["name"]) == (False, 2.0, "adam")


@pytest.mark.parametrize(
    "overrides, message",
    [
        (("adversarial.start_step=5",), r"adversarial.start_step: has no effect without a discriminator"),
        ((*PATCHGAN, "adversarial.wait=5"), r"adversarial.wait: "),
        ((*PATCHGAN, "adversarial.weight=0"), r"adversarial.weight: must be above 0, not 0"),
        ((*PATCHGAN, "adversarial.optimizer={name: adamm}"), r"adversarial.optimizer.name: unknown optimizer 'adamm'.*did you mean 'adam'"),
        ((*PATCHGAN, "adversarial.optimizer={lr: 1}"), r"adversarial.optimizer.lr: the learning rate stands in scheduler.lr"),
        (("discriminator={name: patchgan_2d, widht: 2}",), r"discriminator.widht: .*width"),
        (("discriminator={name: patchgan_4d}",), r"discriminator.name: unknown block 'patchgan_4d'.*did you mean"),
    ],
)
def test_mistakes_in_its_sections_are_found_before_anything_is_built(foreign_recipe, overrides, message):
    with pytest.raises(UserError, match=message):
        load_recipe(foreign_recipe, overrides)
