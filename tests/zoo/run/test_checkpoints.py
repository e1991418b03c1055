"""A kill or a full disk leaves the last whole checkpoint, and what is kept is what was asked for."""

import numpy as np
import pytest

from mindone_tae.zoo import UserError
from mindone_tae.zoo.atomic_file import replacing
from mindone_tae.zoo.run import checkpoints as module
from mindone_tae.zoo.run.checkpoints import Checkpoints


def arrays(value):
    return {"w": np.full((2, 3), value, np.float32)}


def model(value, ema=None):
    return {"model": {"weights": arrays(value), "ema": ema, "state": arrays(10 + value)}}


def steps_kept(folder):
    return sorted({int(path.name[5:13]) for path in folder.glob("step_*.safetensors")})


def test_latest_gives_what_was_saved_last(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step in (1, 2):
        checkpoints.save(step, model(step))
    found = Checkpoints(tmp_path, keep=2).latest()
    assert found.step == 2 and found.networks["model"]["ema"] is None
    assert found.networks["model"]["weights"]["w"].max() == 2 and found.networks["model"]["state"]["w"].max() == 12


def test_a_second_network_has_files_of_its_own_and_comes_back(tmp_path):
    parts = {"weights": arrays(3), "ema": None, "state": arrays(4)}
    Checkpoints(tmp_path, keep=1).save(7, {**model(1), "discriminator": parts})
    names = {path.name for path in tmp_path.glob("*discriminator*")}
    assert names == {"step_00000007.discriminator.safetensors", "step_00000007.discriminator.state.safetensors"}
    found = Checkpoints(tmp_path, keep=1).latest().networks
    assert found["discriminator"]["weights"]["w"].max() == 3 and found["discriminator"]["ema"] is None
    assert found["model"]["weights"]["w"].max() == 1
    Checkpoints(tmp_path, keep=1).save(8, {**model(1), "discriminator": parts})
    assert steps_kept(tmp_path) == [8]


def test_the_best_is_kept_beside_the_latest_until_a_better_one_comes(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step, best in ((1, False), (2, True), (3, False), (4, False), (5, False)):
        checkpoints.save(step, model(step))
        checkpoints.record_evaluation(step, **({"metric": "psnr", "value": 20.0} if best else {}))
    assert steps_kept(tmp_path) == [2, 4, 5]
    again = Checkpoints(tmp_path, keep=2)
    assert (again.best["step"], again.best["value"], again.best["weights"], again.evaluated) == (2, 20.0, "step_00000002.safetensors", 5)
    again.save(6, model(6))
    again.record_evaluation(6, metric="psnr", value=21.0)
    assert steps_kept(tmp_path) == [5, 6]


def test_a_set_that_a_kill_left_half_done_is_never_kept_in_place_of_a_whole_one(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(3, model(3))
    # killed at step 6, after the weights; the resumed run is asked to stop at step 5
    (tmp_path / "step_00000006.safetensors").write_bytes((tmp_path / "step_00000003.safetensors").read_bytes())
    checkpoints.save(5, model(5))
    assert Checkpoints(tmp_path, keep=1).latest().networks["model"]["weights"]["w"].max() == 5
    checkpoints.clean()
    assert steps_kept(tmp_path) == [5]


def test_what_a_killed_process_was_writing_is_removed_and_nothing_else(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(1, model(1))
    (tmp_path / ".step_00000002.safetensors.is_mine").write_text("")
    with replacing(tmp_path / "step_00000002.state.safetensors") as temporary:
        temporary.write_bytes(b"half")
        killed = temporary.read_bytes()
    (tmp_path / "step_00000002.state.safetensors").unlink()
    temporary.write_bytes(killed)
    Checkpoints(tmp_path, keep=1).clean()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"latest.json", "step_00000001.safetensors", "step_00000001.state.safetensors", ".step_00000002.safetensors.is_mine"}


@pytest.mark.parametrize("kind, error", [("OSError", OSError(28, "No space left on device")), ("safetensors", module.SafetensorError("No space left on device"))])
@pytest.mark.parametrize("failing", ["weights", "ema", "state"])
def test_a_disk_that_fills_up_while_saving_leaves_the_last_set(tmp_path, monkeypatch, failing, kind, error):
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(1, model(1, ema=arrays(1)))
    save_file = module.save_file

    def full(contents, path, metadata):
        if metadata["content"] == failing:
            path.write_bytes(b"half")
            raise error
        save_file(contents, path, metadata)

    monkeypatch.setattr(module, "save_file", full)
    with pytest.raises(UserError, match="No space left on device"):
        checkpoints.save(2, model(2, ema=arrays(2)))
    for checkpoints in (checkpoints, Checkpoints(tmp_path, keep=1)):
        found = checkpoints.latest()
        assert found.step == 1 and [part["w"].max() for part in found.networks["model"].values()] == [1, 1, 11]
    assert not [path for path in tmp_path.iterdir() if ".tmp" in path.name]


def test_a_damaged_file_is_named(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(1, model(1))
    (tmp_path / "step_00000001.state.safetensors").write_bytes(b"\x00" * 20)
    with pytest.raises(UserError, match="step_00000001.state.safetensors"):
        checkpoints.latest()


@pytest.mark.parametrize("text", ["", "[]", '{"step": 3}', '{"step": "x", "weights": "a", "ema": null, "state": "b"}'])
def test_a_damaged_latest_json_is_named(tmp_path, text):
    (tmp_path / "latest.json").write_text(text)
    with pytest.raises(UserError, match="latest.json is damaged.*start afresh with another --output_path"):
        Checkpoints(tmp_path, keep=1).latest()


@pytest.mark.parametrize("text", [None, "", '{"step": 3, "weights": null, "ema": null, "state": null}'])
def test_without_latest_json_the_newest_whole_set_is_taken_and_named_again(tmp_path, caplog, text):
    needed = {"model": ("weights", "ema", "state"), "discriminator": ("weights", "state")}
    checkpoints = Checkpoints(tmp_path, keep=9)
    for step in (1, 2, 3, 4):
        checkpoints.save(step, {**model(step, ema=arrays(step)), "discriminator": {"weights": arrays(20 + step), "ema": None, "state": arrays(30)}})
    (tmp_path / "step_00000004.discriminator.state.safetensors").unlink()
    (tmp_path / "step_00000003.ema.safetensors").unlink()
    (tmp_path / "latest.json").unlink() if text is None else (tmp_path / "latest.json").write_text(text)
    files = {path.name for path in tmp_path.glob("step*")}

    again = Checkpoints(tmp_path, keep=9, needed=needed)
    found = again.latest()
    assert found.step == 2 and found.networks["discriminator"]["weights"]["w"].max() == 22 and found.networks["model"]["ema"]["w"].max() == 2
    assert "latest.json" in caplog.text and "going on from step 2" in caplog.text
    again.mend(best=None)
    again.clean()
    assert {path.name for path in tmp_path.glob("step*")} == files
    assert Checkpoints(tmp_path, keep=9, needed=needed).latest().step == 2


def test_files_without_latest_json_are_a_run_and_no_whole_one_is_refused(tmp_path):
    Checkpoints(tmp_path, keep=1).save(4, model(4))
    (tmp_path / "latest.json").unlink()
    (tmp_path / "step_00000004.state.safetensors").unlink()
    checkpoints = Checkpoints(tmp_path, keep=1)
    assert checkpoints.used
    with pytest.raises(UserError, match="latest.json is missing.*bring the files back"):
        checkpoints.latest()


def test_a_kill_during_the_very_first_save_is_no_lost_run(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.begin()
    checkpoints.save(4, model(4))
    Checkpoints(tmp_path / "other", keep=1).begin()
    (tmp_path / "latest.json").write_text((tmp_path / "other/latest.json").read_text())
    (tmp_path / "step_00000004.state.safetensors").unlink()
    assert not Checkpoints(tmp_path, keep=1).used and Checkpoints(tmp_path, keep=1).latest() is None


@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_where_the_last_set_cannot_be_read_the_one_before_is_taken_and_the_file_named(tmp_path, caplog, damage):
    checkpoints = Checkpoints(tmp_path, keep=3)
    for step in (1, 2, 3):
        checkpoints.save(step, model(step))
    bad = tmp_path / "step_00000003.state.safetensors"
    bad.write_bytes(bad.read_bytes()[:40]) if damage == "truncated" else bad.unlink()
    again = Checkpoints(tmp_path, keep=3)
    assert again.latest().step == 2 and again.mended
    assert "step_00000003.state.safetensors cannot be read" in caplog.text and "going on from step 2" in caplog.text


def test_an_error_inside_the_block_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError):
        with replacing(path) as temporary:
            temporary.write_text("new")
            raise RuntimeError
    assert path.read_text() == "old" and [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]
