"""A run ends in the same weights however often it was stopped; a step that is not finite changes nothing."""

import json
import logging
import os
import shutil
import signal
from types import SimpleNamespace

import numpy as np
import pytest
from runs import lines, train
from safetensors.numpy import load_file

from mindone_tae.zoo import Trainer, UserError, load_recipe
from mindone_tae.zoo.training import evaluator
from mindone_tae.zoo.training.evaluations import same_clips
from mindone_tae.zoo.training.stopping import Stopped


def checkpoint(folder, step, part="weights"):
    return load_file(folder / f"checkpoints/step_{step:08d}/{part}.safetensors")


@pytest.mark.parametrize("mode", [0, 1])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(foreign_recipe, tmp_path, mode):
    settings = (
        f"env.mode={mode}",
        "train.ema_decay=0.9",
        "scheduler.name=cosine_decay",
        "scheduler.end_lr=0.001",
        "scheduler.decay_steps=6",
    )
    train(foreign_recipe, tmp_path / "whole", *settings, "train.steps=6", "train.save_every=3")
    # as a kill leaves it: the files of step 3, and a line of a step that was not saved
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut/checkpoints/step_00000006")
    kept = (tmp_path / "cut/metrics.jsonl").read_text().splitlines()[:4]
    (tmp_path / "cut/metrics.jsonl").write_text("\n".join(kept) + '\n{"step": 5, "lo')

    train(foreign_recipe, tmp_path / "cut", *settings, "train.steps=6", "train.save_every=3", resume=True)
    for part in ("weights", "ema", "state"):
        whole, cut = checkpoint(tmp_path / "whole", 6, part), checkpoint(tmp_path / "cut", 6, part)
        assert whole.keys() == cut.keys() and len(whole) > 0
        for name in whole:
            np.testing.assert_array_equal(whole[name], cut[name], err_msg=name)
    assert [line["step"] for line in lines(tmp_path / "cut")] == [1, 2, 3, 4, 5, 6]
    assert [line["loss"] for line in lines(tmp_path / "cut")] == [line["loss"] for line in lines(tmp_path / "whole")]


def test_resume_starts_afresh_where_there_is_nothing(foreign_recipe, tmp_path):
    train(foreign_recipe, tmp_path / "run", "train.steps=2", resume=True)
    assert len(lines(tmp_path / "run")) == 2


def test_a_used_folder_is_refused_without_resume_and_kept(foreign_recipe, tmp_path):
    train(foreign_recipe, tmp_path / "run", "train.steps=2")
    before = {path: path.read_bytes() for path in (tmp_path / "run/checkpoints").rglob("*.*")}
    with pytest.raises(UserError, match="add --resume"):
        train(foreign_recipe, tmp_path / "run", "train.steps=2")
    assert {path: path.read_bytes() for path in (tmp_path / "run/checkpoints").rglob("*.*")} == before != {}


@pytest.mark.parametrize("mode", [0, 1])
def test_a_step_that_is_not_finite_changes_no_weight_and_is_reported(foreign_recipe, tmp_path, mode):
    settings = (
        f"env.mode={mode}",
        "loader.shuffle=false",
        "train.batch_size=1",
        "train.save_every=1",
        "train.keep_checkpoints=9",
        "train.ema_decay=0.9",
    )
    train(foreign_recipe, tmp_path / "run", *settings, "dataset.broken=2", "train.steps=4")
    assert [line["refused"] for line in lines(tmp_path / "run")] == [False, False, True, False]
    for part in ("weights", "ema", "state"):
        before, after, later = (checkpoint(tmp_path / "run", step, part) for step in (2, 3, 4))
        for name in before:
            np.testing.assert_array_equal(before[name], after[name], err_msg=name)
        assert any((after[name] != later[name]).any() for name in after)


def test_too_many_such_steps_in_a_row_stop_the_run(foreign_recipe, tmp_path):
    with pytest.raises(UserError, match="3 steps in a row.*train.max_nonfinite_steps"):
        train(
            foreign_recipe,
            tmp_path / "run",
            "dataset.clips=1",
            "dataset.broken=0",
            "train.steps=9",
            "train.max_nonfinite_steps=3",
        )
    assert len(lines(tmp_path / "run")) == 3


def test_two_micro_batches_make_the_step_of_one_batch_of_both(foreign_recipe, tmp_path):
    shared = ("loader.shuffle=false", "train.steps=3", "dataset.clips=4", "loss.reduction=mean")
    train(foreign_recipe, tmp_path / "one", *shared, "train.batch_size=4")
    train(foreign_recipe, tmp_path / "two", *shared, "train.batch_size=2", "train.gradient_accumulation_steps=2")
    one, two = checkpoint(tmp_path / "one", 3), checkpoint(tmp_path / "two", 3)
    np.testing.assert_allclose(two["factor"], one["factor"], atol=1e-6)
    losses = [[line["loss"] for line in lines(tmp_path / run)] for run in ("one", "two")]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert np.abs(one["factor"]).max() > 0.1


def test_weights_are_saved_under_the_models_own_names(foreign_recipe, tmp_path):
    train(foreign_recipe, tmp_path / "run", "train.steps=1")
    assert set(checkpoint(tmp_path / "run", 1)) == {"factor"}


def test_only_the_last_checkpoints_are_kept(foreign_recipe, tmp_path):
    train(foreign_recipe, tmp_path / "run", "train.steps=5", "train.save_every=1", "train.keep_checkpoints=2")
    checkpoints = tmp_path / "run/checkpoints"
    names = sorted(path.relative_to(checkpoints).as_posix() for path in checkpoints.rglob("*.*"))
    assert names == [f"step_0000000{step}/{part}.safetensors" for step in (4, 5) for part in ("state", "weights")]


def test_bfloat16_on_a_cpu_says_what_to_change(foreign_recipe, tmp_path):
    recipe = load_recipe(foreign_recipe)
    recipe.model["dtype"] = "bfloat16"
    with pytest.raises(UserError, match="model.dtype=float32"):
        Trainer(recipe, tmp_path / "run").run()


def forget_the_last_evaluation(folder):
    """As a kill leaves it that comes between the last checkpoint and its evaluation."""
    written = (folder / "metrics.jsonl").read_text().splitlines(keepends=True)
    assert '"eval"' in written[-1]
    (folder / "metrics.jsonl").write_text("".join(written[:-1]) + written[-1][:20])


def evaluations(folder):
    return [(line["step"], line["eval"]["psnr"]) for line in lines(folder) if "eval" in line]


def test_the_best_checkpoint_is_kept_when_later_ones_are_worse(foreign_recipe, tmp_path):
    # a learning rate so high that the one factor a channel overshoots: the figures go up and down
    shared = (
        "scheduler.lr=0.4",
        "train.steps=9",
        "train.save_every=4",
        "train.eval_every=1",
        "train.keep_checkpoints=1",
        "train.ema_decay=0.5",
    )
    train(foreign_recipe, tmp_path / "run", *shared, "train.keep_best=psnr")
    step, value = max(evaluations(tmp_path / "run"), key=lambda pair: pair[1])
    assert step not in (1, 9)
    again = Trainer(load_recipe(foreign_recipe, [*shared, "train.keep_best=psnr"]), tmp_path / "run", resume=True)
    assert again.run() is None and again.best == {"step": step, "metric": "psnr", "value": value}
    assert {path.name for path in (tmp_path / "run/checkpoints").iterdir()} == {f"step_{s:08d}" for s in (step, 9)}

    # every loader takes it: ours, MindSpore's, and it holds what was measured
    import mindspore as ms

    from mindone_tae.weights import read_weights
    from mindone_tae.zoo import Evaluator
    from mindone_tae.zoo.protocols import build_model

    averaged = tmp_path / f"run/checkpoints/step_{step:08d}/ema.safetensors"
    np.testing.assert_array_equal(
        ms.load_checkpoint(str(averaged), format="safetensors")["factor"].asnumpy(), load_file(averaged)["factor"]
    )
    np.testing.assert_array_equal(read_weights(averaged)["factor"], load_file(averaged)["factor"])
    recipe = load_recipe(foreign_recipe, [f"model.pretrained={averaged}"])
    assert Evaluator(recipe.eval, title=None).run(build_model(recipe.model))["mean"]["psnr"] == pytest.approx(
        value, abs=1e-9
    )


def test_keep_best_must_name_a_metric_that_is_measured(foreign_recipe, tmp_path):
    with pytest.raises(UserError, match="train.keep_best is pnsr.*did you mean 'psnr'"):
        train(foreign_recipe, tmp_path / "run", "train.keep_best=pnsr", "train.eval_every=2")
    with pytest.raises(UserError, match="set train.eval_every"):
        train(foreign_recipe, tmp_path / "run", "train.keep_best=psnr")


def test_an_evaluation_that_a_kill_left_out_is_made_up_for_once(foreign_recipe, tmp_path):
    settings = ("train.steps=4", "train.save_every=2", "train.eval_every=2")
    train(foreign_recipe, tmp_path / "run", *settings)
    whole = evaluations(tmp_path / "run")
    assert [step for step, _ in whole] == [2, 4]
    forget_the_last_evaluation(tmp_path / "run")
    for _ in range(2):
        train(foreign_recipe, tmp_path / "run", *settings, resume=True)
        assert evaluations(tmp_path / "run") == whole


def test_an_evaluation_that_is_made_up_for_and_stopped_again_is_not_lost(foreign_recipe, tmp_path, monkeypatch):
    settings = ("train.save_every=2", "train.eval_every=2")
    train(foreign_recipe, tmp_path / "run", *settings, "train.steps=2")
    forget_the_last_evaluation(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(evaluator, "reconstruct", lambda model, x: os.kill(os.getpid(), signal.SIGTERM) or x)
        with pytest.raises(Stopped, match="stopped after step 2 of 4"):
            train(foreign_recipe, tmp_path / "run", *settings, "train.steps=4", resume=True)
    train(foreign_recipe, tmp_path / "run", *settings, "train.steps=4", resume=True)
    assert [step for step, _ in evaluations(tmp_path / "run")] == [2, 4]


def test_a_resumed_run_says_what_changed_and_the_folder_says_what_made_it(foreign_recipe, tmp_path, caplog):
    train(foreign_recipe, tmp_path / "run", "train.steps=2")
    train(foreign_recipe, tmp_path / "run", "train.steps=3", "scheduler.lr=0.01", "dataset.clips=6", resume=True)
    for text in ("train.steps: 2 -> 3", "scheduler.lr: 0.05 -> 0.01", "had 5 clips and has 6"):
        assert text in caplog.text

    first, second = json.loads((tmp_path / "run/environment.json").read_text())["sessions"]
    import mindspore as ms

    assert first["versions"]["mindspore"] == ms.__version__ and first["versions"]["numpy"] == np.__version__
    assert first["machine"]["device"] == "CPU" and first["machine"]["cpus"] >= 1
    assert (first["first_step"], second["first_step"], first["changes"]) == (0, 2, [])
    assert any("scheduler.lr" in change for change in second["changes"])
    assert load_recipe(tmp_path / "run/config.yaml").scheduler["lr"] == 0.01


def test_a_folder_in_use_is_refused(foreign_recipe, tmp_path):
    from mindone_tae.zoo.atomic_file import locked

    with locked(tmp_path / "run"):
        with pytest.raises(UserError, match="in use by process"):
            train(foreign_recipe, tmp_path / "run")
    train(foreign_recipe, tmp_path / "run", "train.steps=1")


def test_tensorboard_has_what_metrics_jsonl_has(foreign_recipe, tmp_path):
    from tensorboardX.proto.event_pb2 import Event

    settings = ("train.save_every=2", "train.eval_every=2", "eval.baseline={name: average_pooling}")
    train(foreign_recipe, tmp_path / "run", "train.steps=2", *settings)
    train(foreign_recipe, tmp_path / "run", "train.steps=4", *settings, resume=True)
    scalars, pictures, starts = {}, set(), []
    for path in sorted((tmp_path / "run/tensorboard").iterdir()):
        content = path.read_bytes()
        while content:  # length, its checksum, the event, its checksum
            length = int.from_bytes(content[:8], "little")
            event = Event.FromString(content[12 : 12 + length])
            content = content[16 + length :]
            if event.HasField("session_log"):
                starts.append(event.step)
            for value in event.summary.value:
                if value.HasField("image"):
                    pictures.add((event.step, value.tag))
                else:
                    scalars[event.step, value.tag] = value.simple_value
    assert starts == [3]
    assert pictures == {(step, f"pictures/{clip}") for step in (2, 4) for clip in range(4)}
    for line in lines(tmp_path / "run"):
        tags = (
            {"eval/psnr": line["eval"]["psnr"], "eval/psnr_average_pooling": line["baseline"]["psnr"]}
            if "eval" in line
            else {"train/loss": line["loss"], "train/learning_rate": line["learning_rate"]}
        )
        for tag, value in tags.items():
            assert scalars[line["step"], tag] == pytest.approx(value, rel=1e-6)


def test_evaluating_on_the_training_clips_is_said_once(foreign_recipe, tmp_path, caplog):
    settings = ("train.steps=2", "train.eval_every=1", "train.keep_best=psnr")
    train(foreign_recipe, tmp_path / "run", *settings)
    assert caplog.text.count("are of the training clips: name others by eval.dataset.csv_path") == 1
    caplog.clear()
    train(foreign_recipe, tmp_path / "other", *settings, "eval.dataset={clips: 3}")
    assert "of the training clips" not in caplog.text


def test_two_manifests_of_one_folder_are_different_clips():
    def same(training, other):
        section = {"name": "tae_video", "folder": "videos"}
        evaluation = SimpleNamespace(dataset={**section, **other})
        return same_clips(SimpleNamespace(dataset={**section, **training}, eval=evaluation))

    assert not same({"manifest_path": "a.csv"}, {"manifest_path": "b.csv"})
    assert same({"manifest_path": "a.csv"}, {"manifest_path": "a.csv", "random_flip": False})
    assert not same({"manifest_path": "a.csv", "csv_path": "a"}, {"manifest_path": "a.csv", "csv_path": "b"})


def test_weights_that_overflowed_are_not_saved_and_the_last_good_checkpoint_is_named(foreign_recipe, tmp_path):
    settings = ("optimizer.name=sgd", "train.save_every=1", "train.keep_checkpoints=1", "train.steps=9")
    rates = "scheduler={name: multi_step_decay, lr: 0.01, milestones: [3], decay_rate: 3.0e+39, warmup_steps: 0}"
    with pytest.raises(
        UserError, match="factor of the model's weights is not finite after step 4.*step_00000003/weights"
    ):
        train(foreign_recipe, tmp_path / "run", *settings, rates, "train.clip_norm=1.0e+30")
    assert [path.name for path in (tmp_path / "run/checkpoints").iterdir()] == ["step_00000003"]
    assert np.isfinite(checkpoint(tmp_path / "run", 3)["factor"]).all()


def test_a_loss_scale_that_is_still_halving_does_not_end_the_run(foreign_recipe, tmp_path):
    settings = (
        "train.dynamic_loss_scale=true",
        "train.loss_scale=1.0e+20",
        "train.max_nonfinite_steps=2",
        "train.steps=40",
    )
    train(foreign_recipe, tmp_path / "run", *settings)
    refused = [line["refused"] for line in lines(tmp_path / "run")]
    assert refused[:3] == [True] * 3 and not refused[-1]
    # a clip that is spoilt is refused at any scale, and that ends it
    with pytest.raises(UserError, match="2 steps in a row"):
        train(
            foreign_recipe, tmp_path / "spoilt", *settings, "train.loss_scale=4", "dataset.clips=1", "dataset.broken=0"
        )
    assert len(lines(tmp_path / "spoilt")) == 4  # 4 and 2 are still halved


def test_extending_a_run_says_what_the_learning_rate_does(foreign_recipe, tmp_path, caplog):
    caplog.set_level(logging.INFO, "mindone_tae")
    train(foreign_recipe, tmp_path / "run", "train.steps=2", "scheduler={name: cosine_decay, lr: 0.05, end_lr: 0.001}")
    train(
        foreign_recipe,
        tmp_path / "run",
        "train.steps=4",
        "scheduler={name: cosine_decay, lr: 0.05, end_lr: 0.001}",
        resume=True,
    )
    rates = [line["learning_rate"] for line in lines(tmp_path / "run")]
    assert f"was {rates[1]:.3g} at step 2, is {rates[2]:.3g} at step 3 and {rates[3]:.3g} at step 4" in caplog.text
