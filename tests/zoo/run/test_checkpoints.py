"""A kill or a full disk leaves the last complete checkpoint; as many are kept as configured."""

import os
import signal

import numpy as np
import pytest

from mindone_tae.zoo import UserError, atomic_file
from mindone_tae.zoo.atomic_file import replacing
from mindone_tae.zoo.run import checkpoints as module
from mindone_tae.zoo.run.checkpoints import Checkpoints, weights_file


def arrays(value):
    return {"w": np.full((2, 3), value, np.float32)}


def model(value, ema=None):
    return {"model": {"weights": arrays(value), "ema": ema, "state": arrays(10 + value)}}


def steps_kept(folder):
    return [int(path.name.removeprefix("step_")) for path in sorted(folder.glob("step_*"))]


def test_latest_gives_what_was_saved_last(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step in (1, 2):
        checkpoints.save(step, model(step))
    found = Checkpoints(tmp_path, keep=2).latest()
    assert found.step == 2 and "ema" not in found.networks["model"]
    assert found.networks["model"]["weights"]["w"].max() == 2 and found.networks["model"]["state"]["w"].max() == 12


def test_a_second_network_has_files_of_its_own_and_comes_back(tmp_path):
    parts = {"weights": arrays(3), "ema": None, "state": arrays(4)}
    Checkpoints(tmp_path, keep=1).save(7, {**model(1), "discriminator": parts})
    names = {path.name for path in (tmp_path / "step_00000007").glob("*discriminator*")}
    assert names == {"discriminator.weights.safetensors", "discriminator.state.safetensors"}
    found = Checkpoints(tmp_path, keep=1).latest().networks
    assert found["discriminator"]["weights"]["w"].max() == 3 and "ema" not in found["discriminator"]
    assert found["model"]["weights"]["w"].max() == 1


def test_the_best_is_kept_beside_the_latest_until_a_better_one_comes(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step in (1, 2, 3, 4, 5):
        checkpoints.save(step, model(step))
        checkpoints.best_step = 2 if step >= 2 else None
    assert steps_kept(tmp_path) == [2, 4, 5]
    checkpoints.save(6, model(6))
    checkpoints.best_step = 6
    checkpoints.prune()
    assert steps_kept(tmp_path) == [5, 6]


@pytest.mark.parametrize("moment", ["writing", "renaming", "removing"])
def test_a_kill_while_saving_leaves_whole_steps_only_and_is_tidied_up(tmp_path, monkeypatch, moment):
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(3, model(3))
    target = {
        "writing": (module, "save_file"),
        "renaming": (atomic_file.os, "replace"),
        "removing": (module, "_remove"),
    }[moment]
    if (pid := os.fork()) == 0:
        monkeypatch.setattr(*target, lambda *arguments: os.kill(os.getpid(), signal.SIGKILL))
        checkpoints.save(6, model(6))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    again = Checkpoints(tmp_path, keep=1)
    last = {"writing": 3, "renaming": 3, "removing": 6}[moment]
    assert again.latest().step == last and again.latest().networks["model"]["state"]["w"].max() == 10 + last
    again.clean()
    again.prune()
    assert [path.name for path in tmp_path.iterdir()] == [f"step_{last:08d}"]


@pytest.mark.parametrize(
    "kind, error",
    [
        ("OSError", OSError(28, "No space left on device")),
        ("safetensors", module.SafetensorError("No space left on device")),
    ],
)
@pytest.mark.parametrize("failing", ["weights", "ema", "state"])
def test_a_disk_that_fills_up_while_saving_leaves_the_last_set(tmp_path, monkeypatch, failing, kind, error):
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(1, model(1, ema=arrays(1)))
    save_file = module.save_file

    def full(contents, path, metadata):
        if metadata["content"] == f"model {failing}":
            path.write_bytes(b"half")
            raise error
        save_file(contents, path, metadata)

    monkeypatch.setattr(module, "save_file", full)
    with pytest.raises(UserError, match="No space left on device"):
        checkpoints.save(2, model(2, ema=arrays(2)))
    for checkpoints in (checkpoints, Checkpoints(tmp_path, keep=1)):
        found = checkpoints.latest()
        assert found.step == 1 and {part: a["w"].max() for part, a in found.networks["model"].items()} == {
            "weights": 1,
            "ema": 1,
            "state": 11,
        }
    assert [path.name for path in tmp_path.iterdir()] == ["step_00000001"]


@pytest.mark.parametrize("number", [np.inf, np.nan])
@pytest.mark.parametrize("part", ["weights", "ema", "state"])
def test_what_is_not_finite_never_takes_the_place_of_what_is(tmp_path, part, number):
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(1, model(1, ema=arrays(1)))
    bad = model(2, ema=arrays(2))
    bad["model"][part]["w"][1, 2] = number
    with pytest.raises(UserError, match=f"w of the model's {part} is not finite after step 2, which is not saved"):
        checkpoints.save(2, bad)
    assert steps_kept(tmp_path) == [1] and checkpoints.step == 1


@pytest.mark.parametrize("damage", ["truncated", "missing"])
@pytest.mark.parametrize("file", ["weights.safetensors", "state.safetensors"])
def test_where_the_last_cannot_be_read_the_one_before_is_taken_and_the_file_named(tmp_path, caplog, file, damage):
    checkpoints = Checkpoints(tmp_path, keep=3)
    for step in (1, 2, 3):
        checkpoints.save(step, model(step))
    bad = tmp_path / "step_00000003" / file
    bad.write_bytes(bad.read_bytes()[:40]) if damage == "truncated" else bad.unlink()
    again = Checkpoints(tmp_path, keep=3)
    assert again.latest().step == 2
    assert f"step_00000003/{file} cannot be read" in caplog.text and "going on from step 2" in caplog.text
    again.save(2, model(2))  # what could not be read is no longer the run's last, and is kept
    assert weights_file(tmp_path) == tmp_path / "step_00000002/weights.safetensors"
    assert (tmp_path / "step_00000003.damaged").is_dir()
    again.save(3, model(7))  # the run comes to this step again
    assert Checkpoints(tmp_path, keep=3).latest().networks["model"]["weights"]["w"].max() == 7
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"step_0000000{step}" for step in (1, 2, 3)]


def test_a_run_of_which_nothing_is_whole_is_refused_and_named(tmp_path):
    Checkpoints(tmp_path, keep=1).save(1, model(1))
    (tmp_path / "step_00000001/state.safetensors").write_bytes(b"\x00" * 20)
    with pytest.raises(UserError, match="step_00000001/state.safetensors.*start afresh with another --output_path"):
        Checkpoints(tmp_path, keep=1).latest()


def test_a_run_of_version_0_1_is_not_taken_for_an_empty_folder(tmp_path):
    (tmp_path / "step_00000001.safetensors").write_bytes(b"")
    checkpoints = Checkpoints(tmp_path, keep=1)
    assert checkpoints.used
    with pytest.raises(UserError, match="of version 0.1.0 cannot be resumed"):
        checkpoints.latest()


@pytest.mark.parametrize("inside", ["", "checkpoints", "checkpoints/step_00000002"])
def test_a_run_stands_for_its_last_weights(tmp_path, inside):
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=2)
    checkpoints.save(1, model(1, ema=arrays(1)))
    checkpoints.save(2, model(2))
    assert weights_file(tmp_path / inside) == tmp_path / "checkpoints/step_00000002/weights.safetensors"
    checkpoints.save(2, model(2, ema=arrays(2)))
    assert weights_file(tmp_path / inside) == tmp_path / "checkpoints/step_00000002/ema.safetensors"


def test_an_error_inside_the_block_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError):
        with replacing(path) as temporary:
            temporary.write_text("new")
            raise RuntimeError
    assert path.read_text() == "old" and [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]
