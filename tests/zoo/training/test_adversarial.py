"""Runs against a discriminator: a resumed run equals an uninterrupted one, and settings that cannot work are errors."""

import shutil

import numpy as np
import pytest
import runs
from runs import lines
from safetensors.numpy import load_file

import mindspore as ms

from mindone_tae.zoo import Trainer, UserError, load_recipe

GAN_TERMS = ["gan_g", "gan_weight", "gan_d", "logits_real", "logits_fake"]
PATCHGAN = ("discriminator={name: patchgan_2d, width: 2, layers: 1}",)


def train(recipe_path, folder, *overrides, resume=False):
    return runs.train(recipe_path, folder, *PATCHGAN, *overrides, resume=resume)


def checkpoint(folder, step):
    """Every file of a step, by its name."""
    return {path.name: load_file(path) for path in (folder / f"checkpoints/step_{step:08d}").iterdir()}


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for file in one:
        assert one[file].keys() == other[file].keys() and len(one[file]) > 0
        for name in one[file]:
            np.testing.assert_array_equal(one[file][name], other[file][name], err_msg=f"{file} {name}")


def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(mode, foreign_recipe, tmp_path):
    # cut at step 2, after the discriminator has started and before it
    start_step = {ms.GRAPH_MODE: 1, ms.PYNATIVE_MODE: 3}[mode]
    settings = (
        f"env.mode={mode}",
        "train.ema_decay=0.9",
        "scheduler={name: cosine_decay, lr: 0.05, end_lr: 0.001, decay_steps: 5}",
    )
    settings += (
        f"adversarial.start_step={start_step}",
        "adversarial.ema_decay=0.8",
        "adversarial.optimizer={name: adam, betas: [0.5, 0.9]}",
    )
    settings += ("train.dynamic_loss_scale=true", "train.loss_scale=8", "train.steps=5", "train.save_every=2")
    train(foreign_recipe, tmp_path / "whole", *settings)
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    for step in (4, 5):  # as a kill after step 2 leaves it
        shutil.rmtree(tmp_path / f"cut/checkpoints/step_{step:08d}")

    train(foreign_recipe, tmp_path / "cut", *settings, resume=True)
    for step in (4, 5):
        assert_equal(checkpoint(tmp_path / "cut", step), checkpoint(tmp_path / "whole", step))
    files = {
        f"{network}{part}.safetensors" for network in ("", "discriminator.") for part in ("weights", "ema", "state")
    }
    assert checkpoint(tmp_path / "cut", 5).keys() == files
    for name in ("loss", *GAN_TERMS):
        assert [line.get(name) for line in lines(tmp_path / "cut")] == [
            line.get(name) for line in lines(tmp_path / "whole")
        ]
    moved = [checkpoint(tmp_path / "whole", step)["discriminator.weights.safetensors"] for step in (2, 4, 5)]
    same_at_first = all((moved[0][name] == moved[1][name]).all() for name in moved[0])
    assert not same_at_first and any((moved[1][name] != moved[2][name]).any() for name in moved[1])


def test_until_its_start_the_run_is_the_one_without_a_discriminator(foreign_recipe, tmp_path):
    settings = ("train.steps=4", "train.save_every=2", "train.keep_checkpoints=9")
    train(foreign_recipe, tmp_path / "judged", "adversarial.start_step=2", *settings)
    Trainer(load_recipe(foreign_recipe, settings), tmp_path / "alone").run()
    judged, alone = (checkpoint(tmp_path / name, 2) for name in ("judged", "alone"))
    np.testing.assert_array_equal(judged["weights.safetensors"]["factor"], alone["weights.safetensors"]["factor"])
    assert (
        checkpoint(tmp_path / "judged", 4)["weights.safetensors"]["factor"]
        != checkpoint(tmp_path / "alone", 4)["weights.safetensors"]["factor"]
    ).any()
    logged = [[name for name in GAN_TERMS if name in line] for line in lines(tmp_path / "judged")]
    assert logged == [[], [], GAN_TERMS, GAN_TERMS]
    assert all(np.isfinite(line[name]) for line in lines(tmp_path / "judged")[2:] for name in GAN_TERMS)


def test_a_later_start_at_resume_leaves_the_discriminator_a_rate_for_every_step(foreign_recipe, tmp_path):
    train(foreign_recipe, tmp_path / "run", "adversarial.start_step=1", "train.steps=5", "train.save_every=5")
    train(foreign_recipe, tmp_path / "run", "adversarial.start_step=5", "train.steps=8", resume=True)
    assert [line["step"] for line in lines(tmp_path / "run")] == list(range(1, 9))


def test_a_broken_clip_changes_nothing_of_either_network(foreign_recipe, tmp_path):
    settings = (
        "loader.shuffle=false",
        "train.batch_size=1",
        "train.save_every=1",
        "train.keep_checkpoints=9",
        "train.ema_decay=0.9",
    )
    train(foreign_recipe, tmp_path / "run", *settings, "adversarial.ema_decay=0.9", "dataset.broken=1", "train.steps=3")
    assert [line["refused"] for line in lines(tmp_path / "run")] == [False, True, False]
    assert_equal(checkpoint(tmp_path / "run", 1), checkpoint(tmp_path / "run", 2))
    before, after = (checkpoint(tmp_path / "run", step) for step in (2, 3))
    assert all(any((before[file][name] != after[file][name]).any() for name in before[file]) for file in before)


def test_the_discriminators_learning_rate_begins_with_it_and_keeps_its_ratio(foreign_recipe, tmp_path):
    # Adam's first step is the learning rate's size, whatever the gradient.
    settings = (
        "scheduler={name: polynomial_decay, lr: 0.4, end_lr: 0.0, decay_steps: 4}",
        "train.steps=3",
        "train.save_every=1",
    )
    adam = "{name: adam, eps: 1.0e-12, weight_decay: 0.0}"
    train(
        foreign_recipe,
        tmp_path / "run",
        *settings,
        f"adversarial.optimizer={adam}",
        "adversarial.start_step=1",
        "adversarial.learning_rate_ratio=0.01",
    )
    before, after = (
        checkpoint(tmp_path / "run", step)["discriminator.weights.safetensors"]["discriminator.last.weight"]
        for step in (1, 2)
    )
    first, rate, _ = (line["learning_rate"] for line in lines(tmp_path / "run"))
    assert first == pytest.approx(0.4) and rate < 0.8 * first
    np.testing.assert_allclose(np.abs(after - before), 0.01 * rate, rtol=1e-3)


@pytest.mark.parametrize(
    "override, message",
    [
        (
            "adversarial.start_step=8",
            "adversarial.start_step is 8 and the run has 8 steps.*lower adversarial.start_step",
        ),
        ("adversarial.last_layer=facto", "adversarial.last_layer is facto.*did you mean 'factor'"),
        (
            "discriminator={name: tae_temporal_downsample, channels: 4}",
            "tae_temporal_downsample; a discriminator has generator_loss and discriminator_loss",
        ),
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
    assert (recipe.adversarial.adaptive, recipe.adversarial.weight, recipe.adversarial.optimizer["name"]) == (
        False,
        2.0,
        "adam",
    )


@pytest.mark.parametrize(
    "overrides, message",
    [
        (("adversarial.start_step=5",), r"adversarial.start_step: has no effect without a discriminator"),
        ((*PATCHGAN, "adversarial.wait=5"), r"adversarial.wait: "),
        ((*PATCHGAN, "adversarial.weight=0"), r"adversarial.weight: must be above 0, not 0"),
        (
            (*PATCHGAN, "adversarial.optimizer={name: adamm}"),
            r"adversarial.optimizer.name: unknown optimizer 'adamm'.*did you mean 'adam'",
        ),
        (
            (*PATCHGAN, "adversarial.optimizer={lr: 1}"),
            r"adversarial.optimizer.lr: the learning rate stands in scheduler.lr",
        ),
        (("discriminator={name: patchgan_2d, widht: 2}",), r"discriminator.widht: .*width"),
        (("discriminator={name: patchgan_4d}",), r"discriminator.name: unknown block 'patchgan_4d'.*did you mean"),
    ],
)
def test_mistakes_in_its_sections_are_found_before_anything_is_built(foreign_recipe, overrides, message):
    with pytest.raises(UserError, match=message):
        load_recipe(foreign_recipe, overrides)
