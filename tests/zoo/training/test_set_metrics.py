"""Metrics of a whole set and of clips together, for the model and its baseline, alone and in training."""

import json
import logging

import numpy as np
import pytest
from runs import lines

from mindone_tae.zoo import Evaluator, Trainer, UserError, load_recipe, registry
from mindone_tae.zoo.protocols import build_model

BOTH = "eval.metrics=[foreign_spread,psnr]"
BASELINE = "eval.baseline={name: foreign_scale, start: 0.5}"


def darkest(count=5):
    """The smallest pixel of each clip of the foreign dataset."""
    return np.array([registry.build("datasets", "foreign_noise")[i][0].min() for i in range(count)])


def evaluated(recipe_path, *overrides):
    recipe = load_recipe(recipe_path, [BOTH, BASELINE, *overrides])
    return Evaluator(recipe.eval, title=None).run(build_model(recipe.model))


def test_a_metric_of_a_set_is_given_every_clip_and_asked_once(foreign_recipe):
    result = evaluated(foreign_recipe, "model.start=0.9", "eval.batch_size=2")
    assert list(result["mean"]) == ["foreign_spread", "psnr"]
    assert result["mean"]["foreign_spread"] == pytest.approx(0.9, rel=1e-4)
    assert result["baseline"]["mean"]["foreign_spread"] == pytest.approx(0.5, rel=1e-4)
    assert result["sets"]["foreign_spread"]["clips"] == 5
    assert "few clips" in result["sets"]["foreign_spread"]["warnings"]
    assert set(result["protocol"]) == {"foreign_spread", "psnr"}
    json.dumps({key: value for key, value in result.items() if key != "pictures"})


def test_it_is_no_mean_of_clips_and_clips_have_no_figure_of_it(foreign_recipe):
    result = evaluated(foreign_recipe, "model.start=0.9", "eval.max_clips=3")
    assert result["mean"]["foreign_spread"] == pytest.approx(np.std(0.9 * darkest(3)) / np.std(darkest(3)), rel=1e-4)
    for row in (*result["clips"], *result["baseline"]["clips"]):
        assert "foreign_spread" not in row and row["psnr"] > 0


def test_metrics_of_a_clip_are_what_they_are_without_it(foreign_recipe):
    alone = evaluated(foreign_recipe, "eval.metrics=[psnr]")
    both = evaluated(foreign_recipe)
    assert both["clips"] == alone["clips"] and both["mean"]["psnr"] == alone["mean"]["psnr"] and alone["sets"] == {}


def test_too_few_clips_are_told_before_anything_is_measured(foreign_recipe):
    recipe = load_recipe(foreign_recipe, [BOTH, "eval.max_clips=1"])
    with pytest.raises(
        UserError, match="foreign_spread takes at least 2 clips, and the evaluation has 1: .*eval.max_clips"
    ):
        Evaluator(recipe.eval, title=None)


def test_a_mistake_in_the_evaluation_dataset_is_told_as_its(foreign_recipe):
    recipe = load_recipe(foreign_recipe, ["eval.dataset={side: -8}"])
    with pytest.raises(UserError, match="^eval.dataset: dataset 'foreign_noise': .*side is -8"):
        Evaluator(recipe.eval, title=None)


def test_a_warning_is_logged_once_and_the_baseline_measured_once(foreign_recipe, caplog):
    recipe = load_recipe(foreign_recipe, [BOTH, BASELINE])
    evaluator, model = Evaluator(recipe.eval, title=None), build_model(recipe.model)
    with caplog.at_level(logging.WARNING, "mindone_tae"):
        first, second = evaluator.run(model), evaluator.run(model)
    assert [record.getMessage() for record in caplog.records] == ["foreign_spread: few clips"]
    assert first["baseline"] == second["baseline"]


def test_training_evaluates_by_it_and_keeps_the_best_by_it(foreign_recipe, tmp_path):
    settings = ("train.steps=4", "train.save_every=2", "train.eval_every=2", "train.keep_best=foreign_spread")
    trainer = Trainer(load_recipe(foreign_recipe, [BOTH, *settings]), tmp_path / "run")
    trainer.run()
    found = {line["step"]: line["eval"] for line in lines(tmp_path / "run") if "eval" in line}
    assert list(found) == [2, 4] and 0 < found[2]["foreign_spread"] < found[4]["foreign_spread"]
    assert trainer.best == {"step": 4, "metric": "foreign_spread", "value": found[4]["foreign_spread"]}
