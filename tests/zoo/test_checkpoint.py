"""A kill or a full disk leaves the last whole checkpoint."""

import numpy as np
import pytest

from mindone_tae.zoo import UserError
from mindone_tae.zoo import checkpoint as module
from mindone_tae.zoo.atomic_file import replacing
from mindone_tae.zoo.checkpoint import Checkpoints


def arrays(value):
    return {"w": np.full((2, 3), value, np.float32)}


def test_latest_gives_what_was_saved_last(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step in (1, 2):
        checkpoints.save(step, arrays(step), None, arrays(10 + step))
    step, weights, ema, state = checkpoints.latest()
    assert (step, ema) == (2, None)
    assert weights["w"].max() == 2 and state["w"].max() == 12


@pytest.mark.parametrize("failing", [".safetensors", ".ema.safetensors", ".state.safetensors"])
def test_a_disk_that_fills_up_while_saving_leaves_the_last_set(tmp_path, monkeypatch, failing):
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(1, arrays(1), arrays(1), arrays(1))
    save_file = module.save_file

    def full(contents, path, metadata):
        if metadata["content"] == {".safetensors": "weights", ".ema.safetensors": "ema", ".state.safetensors": "state"}[failing]:
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        save_file(contents, path, metadata)

    monkeypatch.setattr(module, "save_file", full)
    with pytest.raises(UserError, match="No space left on device"):
        checkpoints.save(2, arrays(2), arrays(2), arrays(2))
    step, *parts = checkpoints.latest()
    assert step == 1 and all(part["w"].max() == 1 for part in parts)
    assert not [path for path in tmp_path.iterdir() if ".tmp" in path.name]


def test_a_damaged_file_is_named(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(1, arrays(1), None, arrays(1))
    (tmp_path / "step_00000001.state.safetensors").write_bytes(b"\x00" * 20)
    with pytest.raises(UserError, match="step_00000001.state.safetensors"):
        checkpoints.latest()


def test_an_error_inside_the_block_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError):
        with replacing(path) as temporary:
            temporary.write_text("new")
            raise RuntimeError
    assert path.read_text() == "old" and [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]
