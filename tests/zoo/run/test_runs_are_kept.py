"""Runs whose files were lost or damaged, that are resumed with another recipe, or that have nothing left to do."""

import json
import logging

import pytest
from runs import lines, train
from safetensors.numpy import load_file

from mindone_tae.zoo import UserError
from mindone_tae.zoo.run.folder import RunFolder

# What every process leaves, and no figure of the run.
NO_HISTORY = (".lock", "log.txt")


def content(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in NO_HISTORY
    }


def same_but_for_times(folder, other):
    times = ("seconds", "data_seconds", "eval_seconds")
    rows = [
        [{key: value for key, value in line.items() if key not in times} for line in lines(run)]
        for run in (folder, other)
    ]
    weights = [
        {
            path.parent.name: load_file(path)["factor"].tobytes()
            for path in run.glob("checkpoints/step_*/weights.safetensors")
        }
        for run in (folder, other)
    ]
    return rows[0] == rows[1] and weights[0] == weights[1]


# the best of these evaluations is neither the first nor the last, see test_trainer.py
SAVING = (
    "scheduler.lr=0.4",
    "train.save_every=2",
    "train.eval_every=1",
    "train.keep_checkpoints=2",
    "train.ema_decay=0.5",
    "train.keep_best=psnr",
)


@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_a_lost_checkpoint_costs_nothing_but_the_steps_since_the_one_before(foreign_recipe, tmp_path, caplog, damage):
    train(foreign_recipe, tmp_path / "whole", *SAVING, "train.steps=10")
    train(foreign_recipe, tmp_path / "run", *SAVING, "train.steps=8")
    bad = {"truncated": "step_00000008/ema.safetensors", "missing": "step_00000008/state.safetensors"}[damage]
    file = tmp_path / "run/checkpoints" / bad
    file.unlink() if damage == "missing" else file.write_bytes(file.read_bytes()[:30])

    before = content(tmp_path / "run")
    with pytest.raises(UserError, match="holds a run.*add --resume"):
        train(foreign_recipe, tmp_path / "run", *SAVING, "train.steps=10")
    assert content(tmp_path / "run") == before

    train(foreign_recipe, tmp_path / "run", *SAVING, "train.steps=10", resume=True)
    # the best, whose evaluation metrics.jsonl has kept, is the best still
    assert same_but_for_times(tmp_path / "run", tmp_path / "whole")
    assert bad in caplog.text and "going on from step " in caplog.text
    sessions = json.loads((tmp_path / "run/environment.json").read_text())["sessions"]
    assert len(sessions) == 2 and sessions[1]["first_step"] > 0


def test_a_recipe_that_does_not_fit_leaves_the_run_as_it_is(foreign_recipe, tmp_path):
    train(foreign_recipe, tmp_path / "run", "train.steps=2")
    before = content(tmp_path / "run")
    with pytest.raises(UserError, match="does not fit"):
        train(foreign_recipe, tmp_path / "run", "train.steps=4", "train.ema_decay=0.9", resume=True)
    assert content(tmp_path / "run") == before


def test_another_width_at_resume_is_told_by_the_key_that_differs(foreign_recipe, tmp_path, monkeypatch):
    train(foreign_recipe, tmp_path / "run", "train.steps=2")
    from foreign_package.model import Scale

    import mindspore as ms

    def wide(self, channels: int = 3, start: float = 0.0):
        super(Scale, self).__init__()
        self.factor = ms.Parameter(ms.ops.zeros((1, 3, 1, 1, channels // 8 or 1)), name="factor")
        self.more = ms.ParameterTuple([ms.Parameter(ms.ops.zeros(1), name=f"more{i}") for i in range(6)])

    monkeypatch.setattr(Scale, "__init__", wide)
    with pytest.raises(UserError) as caught:
        train(foreign_recipe, tmp_path / "run", "train.steps=4", "model.channels=64", "model.start=1", resume=True)
    text = str(caught.value)
    assert (
        "7 of 7 parameters" in text
        and "factor is (1, 3, 1, 1, 1), the model has (1, 3, 1, 1, 8)" in text
        and "and 5 more" in text
    )
    assert (
        text.endswith("what differs is model.channels: not set -> 64, model.start: not set -> 1.0")
        and text.count("more") == 2
    )


@pytest.mark.parametrize("steps", [2, 4])
def test_where_nothing_is_to_do_nothing_is_changed(foreign_recipe, tmp_path, steps):
    train(foreign_recipe, tmp_path / "run", "train.steps=4", "train.save_every=1", "train.eval_every=2")
    before = content(tmp_path / "run")
    assert (
        train(
            foreign_recipe,
            tmp_path / "run",
            f"train.steps={steps}",
            "train.eval_every=2",
            "scheduler.lr=0.1",
            resume=True,
        )
        is None
    )
    assert content(tmp_path / "run") == before


DESCRIBING = ("config.yaml", "environment.json", "metrics.jsonl")
DAMAGE = {
    "zeros": lambda content: bytes(len(content)),
    "emptied": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "noise": lambda content: bytes(range(256)) * 20,
    "another's": lambda content: b'{"sessions": [[1]], "step": [2], "weights": {}, "eval": 3}',
    "nested": lambda content: b"[" * 3_000,
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_what_only_describes_a_run_is_set_aside_where_a_power_cut_damaged_it(foreign_recipe, tmp_path, caplog, kind):
    settings = ("train.save_every=1", "train.eval_every=2", "train.keep_best=psnr")
    train(foreign_recipe, tmp_path / "whole", *settings, "train.steps=4")
    train(foreign_recipe, tmp_path / "run", *settings, "train.steps=2")
    damaged = {name: DAMAGE[kind]((tmp_path / "run" / name).read_bytes()) for name in DESCRIBING}
    for name, content in damaged.items():
        (tmp_path / "run" / name).write_bytes(content)
    train(foreign_recipe, tmp_path / "run", *settings, "train.steps=4", resume=True)
    weights = [
        load_file(tmp_path / folder / "checkpoints/step_00000004/weights.safetensors") for folder in ("whole", "run")
    ]
    assert weights[0]["factor"].tobytes() == weights[1]["factor"].tobytes()
    for name in ("config.yaml", "environment.json"):
        may_be_whole = name == "config.yaml" and kind in ("cut", "another's")  # half a recipe may be YAML, and JSON is
        assert may_be_whole or f"{name} is damaged" in caplog.text
        assert (tmp_path / "run" / f"{name}.damaged").exists() == (f"{name} is damaged" in caplog.text)
    assert (tmp_path / "run/environment.json.damaged").read_bytes() == damaged["environment.json"]
    assert json.loads((tmp_path / "run/environment.json").read_text())["sessions"][-1]["first_step"] == 2
    assert [line["step"] for line in lines(tmp_path / "run") if "eval" not in line] == [3, 4] or kind == "cut"


@pytest.mark.parametrize("before, now, scales", [("1", "1024", [1, 1, 1024]), ("1024", "1", [1024, 1024, 1])])
def test_a_loss_scale_changed_at_resume_is_used(foreign_recipe, tmp_path, before, now, scales):
    train(foreign_recipe, tmp_path / "run", "train.steps=2", f"train.loss_scale={before}")
    train(foreign_recipe, tmp_path / "run", "train.steps=3", f"train.loss_scale={now}", resume=True)
    assert [line["loss_scale"] for line in lines(tmp_path / "run")] == scales


def test_what_else_shapes_the_state_is_told_by_its_keys(foreign_recipe, tmp_path):
    train(foreign_recipe, tmp_path / "run", "train.steps=2")
    with pytest.raises(UserError, match="what differs is train.dynamic_loss_scale: False -> True"):
        train(foreign_recipe, tmp_path / "run", "train.steps=4", "train.dynamic_loss_scale=true", resume=True)


def test_a_log_on_a_full_disk_does_not_replace_the_error(tmp_path):
    folder = RunFolder(tmp_path)
    (tmp_path / "log.txt").symlink_to("/dev/full")
    with pytest.raises(UserError, match="the useful one"), folder.logged(logging.getLogger("full")):
        logging.getLogger("full").warning("a line")
        raise UserError("the useful one")
