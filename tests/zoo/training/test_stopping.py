"""SIGTERM and Ctrl-C save and exit; a full disk stops the run with one clear line; both can be resumed."""

import json
import signal
import time

import pytest

pytestmark = pytest.mark.apart


@pytest.fixture
def start(forked_commands, foreign_folder, tmp_path):
    """start(words, before) starts `mindone-tae train` in a process of its own."""
    return lambda words, before="": forked_commands.start(
        ["train", *words, "env.mode=0"], cwd=tmp_path, path=[foreign_folder], before=before
    )


def wait_for_steps(folder, process, steps=3):
    """Until so many steps are made."""
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        if len(metrics(folder)) >= steps:
            return
        time.sleep(0.05)
    raise AssertionError(f"no steps: {process.communicate()}")


def metrics(folder):
    file = folder / "metrics.jsonl"
    return file.read_text().splitlines() if file.exists() else []


def saved_step(folder):
    return max(int(path.name.removeprefix("step_")) for path in (folder / "checkpoints").glob("step_*"))


# While MindSpore computes, it turns Ctrl-C into SIGTERM.
@pytest.mark.parametrize(
    "number, statuses, resumed", [(signal.SIGTERM, {143}, True), (signal.SIGINT, {130, 143}, False)]
)
def test_a_signal_saves_the_step_it_comes_in_and_says_how_to_go_on(
    start, foreign_recipe, tmp_path, number, statuses, resumed
):
    words = [
        "--config",
        foreign_recipe,
        "--output_path",
        "run",
        "train.steps=1000000",
        "train.save_every=1000000",
        "dataset.pause=0.01",
    ]
    process = start(words)
    wait_for_steps(tmp_path / "run", process)
    process.send_signal(number)
    out, err = process.communicate(timeout=180)
    assert process.returncode in statuses, err
    last = err.strip().splitlines()[-1]
    assert "--resume goes on" in last and "Traceback" not in err
    step = saved_step(tmp_path / "run")
    assert step == len(metrics(tmp_path / "run")) and f"after step {step} of" in last

    if not resumed:
        return
    again = start([*words[:4], f"train.steps={step + 1}", "--resume"])
    out, err = again.communicate(timeout=180)
    assert again.returncode == 0, err
    assert saved_step(tmp_path / "run") == step + 1
    assert [json.loads(line)["step"] for line in metrics(tmp_path / "run")] == list(range(1, step + 2))
    assert f"train.steps: 1000000 -> {step + 1}" in err and "dataset.pause: 0.01 -> not set" in err


def test_a_second_ctrl_c_leaves_at_once(start, foreign_recipe, tmp_path):
    # the second step would take ten minutes
    process = start(
        ["--config", foreign_recipe, "--output_path", "run", "dataset.pause=600", "loader.shuffle=false"],
    )
    wait_for_steps(tmp_path / "run", process, steps=1)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    until = time.monotonic() + 60
    while "asked to stop" not in (tmp_path / "run/log.txt").read_text() and time.monotonic() < until:
        time.sleep(0.05)
    assert process.poll() is None and "asked to stop" in (tmp_path / "run/log.txt").read_text()
    time.sleep(1)  # one that comes sooner counts as the same
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT


def test_a_full_disk_is_one_clear_line_and_the_last_checkpoint_goes_on(start, foreign_recipe, tmp_path):
    words = ["--config", foreign_recipe, "--output_path", "run", "train.steps=400", "train.save_every=7"]
    # no file may grow beyond 20 kB: the metrics come to it
    process = start(words, "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 2, err
    errors = [line for line in err.splitlines() if not line.startswith("train ")]
    assert [
        line for line in errors if "cannot be written: File too large" in line and "from which --resume goes on" in line
    ]
    assert "Traceback" not in err and "Logging error" not in err
    step = saved_step(tmp_path / "run")
    assert step % 7 == 0 and step > 0

    again = start([*words[:4], f"train.steps={step + 7}", "train.save_every=7", "--resume"])
    out, err = again.communicate(timeout=180)
    assert again.returncode == 0, err
    assert [json.loads(line)["step"] for line in metrics(tmp_path / "run")] == list(range(1, step + 8))


def test_a_folder_that_cannot_be_made_is_status_2(start, foreign_recipe, tmp_path):
    (tmp_path / "file").write_text("")
    process = start(["--config", foreign_recipe, "--output_path", "file/run"])
    out, err = process.communicate(timeout=180)
    assert process.returncode == 2
    assert len(err.strip().splitlines()) == 1 and "file/run" in err and "must be a folder" in err
