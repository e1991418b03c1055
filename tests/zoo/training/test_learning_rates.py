"""The learning rate of every step, for every scheduler."""

import json

import numpy as np
import pytest
from runs import lines, train
from safetensors.numpy import load_file

from mindone_tae.zoo import Trainer, load_recipe
from mindone_tae.zoo.training.loop import _learning_rates


def rates(recipe_path, folder, *overrides):
    """The learning rates that a run of eight steps logged."""
    Trainer(load_recipe(recipe_path, (*overrides, "train.steps=8", "train.save_every=8")), folder).run()
    return [json.loads(line)["learning_rate"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_decay_without_decay_steps_takes_the_whole_run(foreign_recipe, tmp_path):
    found = rates(
        foreign_recipe,
        tmp_path / "run",
        "scheduler.name=cosine_decay",
        "scheduler.end_lr=0.0",
        "scheduler.warmup_steps=2",
    )
    # two steps of warm-up, then half a cosine over six
    expected = [0, 0.025, *(0.025 * (1 + np.cos(np.pi * step / 6)) for step in range(6))]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("name", ["constant", "cosine_decay", "polynomial_decay", "cosine_annealing_warm_restarts_lr"])
def test_there_are_as_many_rates_as_steps_where_the_warm_up_is_longer(name):
    scheduler = {"name": name, "lr": 0.1, "warmup_steps": 20}
    np.testing.assert_allclose(_learning_rates(scheduler, 6), 0.1 * np.arange(6) / 20, atol=1e-3)


@pytest.mark.parametrize("decay_steps, period", [(4, 4), (0, 8)])
def test_a_cosine_with_restarts_starts_again_after_so_many_steps_whatever_an_epoch_has(
    foreign_recipe, tmp_path, decay_steps, period
):
    settings = (
        "scheduler={name: cosine_annealing_warm_restarts_lr, lr: 0.05, end_lr: 0.0}",
        f"scheduler.decay_steps={decay_steps}",
    )
    found = rates(foreign_recipe, tmp_path / "run", *settings)
    np.testing.assert_allclose(
        found, [0.025 * (1 + np.cos(np.pi * (step % period) / period)) for step in range(8)], atol=1e-6
    )


def test_the_logged_learning_rate_is_the_one_used_after_a_refused_step(foreign_recipe, tmp_path):
    """Adam's first steps are as long as the learning rate."""
    scheduler = "scheduler={name: multi_step_decay, lr: 0.5, milestones: [2], decay_rate: 0.01, warmup_steps: 0}"
    settings = ("loader.shuffle=false", "train.batch_size=1", "train.save_every=1", "train.keep_checkpoints=9")
    settings += ("optimizer={name: adam, eps: 1.0e-12, weight_decay: 0.0}", "dataset.broken=0", "train.steps=4")
    train(foreign_recipe, tmp_path / "run", *settings, scheduler)
    assert [line["learning_rate"] for line in lines(tmp_path / "run")] == pytest.approx([0.5, 0.5, 0.5, 0.005])
    assert abs(
        load_file(tmp_path / "run/checkpoints/step_00000002/weights.safetensors")["factor"]
    ).max() == pytest.approx(0.5, rel=1e-3)
