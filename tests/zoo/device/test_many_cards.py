"""Two processes under msrun make the run that one process makes with the whole batch."""

import json
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from runs import lines
from safetensors.numpy import load_file

from mindone_tae.zoo import Trainer, UserError, load_recipe
from mindone_tae.zoo.device.ranks import Ranks

pytestmark = pytest.mark.apart

SCRIPT = Path(__file__).with_name("ranks_script.py")

# A model with weights that split evenly over two ranks and weights that do not, and with noise drawn on the host.
MODEL = """
import mindspore as ms
import numpy as np
from mindspore import nn, ops


class Noisy(nn.Cell):
    def __init__(self):
        super().__init__()
        rng = np.random.default_rng(1)
        self.even = ms.Parameter(ms.Tensor(rng.standard_normal((4, 3)).astype(np.float32)), name="even")
        self.odd = ms.Parameter(ms.Tensor(rng.standard_normal((3, 4)).astype(np.float32)), name="odd")

    def construct(self, x, noise):
        b, c, t, h, w = x.shape
        y = ops.reshape(ops.transpose(x, (1, 0, 2, 3, 4)), (c, -1))
        y = ops.matmul(self.odd, ops.tanh(ops.matmul(self.even, y)))
        return ops.transpose(ops.reshape(y, (c, b, t, h, w)), (1, 0, 2, 3, 4)) + noise

    def reconstruct(self, x):
        return self.construct(x, ops.zeros_like(x))

    def training_inputs(self, batch, rng):
        return batch[0], rng.standard_normal(batch[0].shape, dtype=np.float32)
"""
ENTRY_POINTS = "[mindone.models]\nnoisy = noisy_package:Noisy\n"
RECIPE = """
env: {mode: 0, device_target: CPU, jit_level: null}
model: {name: noisy}
dataset: {name: foreign_noise, clips: 7}
loss: {name: mse, reduction: mean}
optimizer: {name: adam, weight_decay: 0.0}
scheduler: {name: constant, lr: 0.05}
train: {steps: 4, batch_size: 2, save_every: 2, eval_every: 4, clip_norm: 0.5, ema_decay: 0.9, keep_checkpoints: 9}
eval: {metrics: [psnr, foreign_spread], picture_clips: 6, baseline: {name: average_pooling}}
"""
TWO = ["env.distributed=true", "train.batch_size=1"]
FOUR = ["train.batch_size=4"]
ACCUMULATED = ["train.gradient_accumulation_steps=2"]
# Its adversarial loss is what the reconstruction's logits are on average: of halves, or of the whole.
JUDGED = ["discriminator={name: patchgan_2d, width: 2, layers: 1}"]
RUNS = [
    ("two", TWO, False),
    ("two_accumulated", [*TWO, *ACCUMULATED], False),
    ("two_cut", [*TWO, *ACCUMULATED, "train.steps=2"], False),
    ("two_cut", [*TWO, *ACCUMULATED], True),
    ("judged", [*TWO, *JUDGED], False),
    ("stopped", [*TWO, "train.save_every=2"], False),
]


def msrun(folder, packages, case, **variables):
    """Runs ranks_script.py on two ranks; the finished process, and when it ended."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    programs = Path(sys.executable).parent
    environment = {
        **os.environ,
        **variables,
        "PYTHONPATH": os.pathsep.join(packages),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
    }
    command = [
        programs / "msrun",
        "--worker_num=2",
        "--local_worker_num=2",
        f"--master_port={port}",
        "--join=True",
        "--log_dir=logs",
        "python",
        SCRIPT,
        case,
        folder,
    ]
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    return done, time.time()


@pytest.fixture(scope="module")
def packages(tmp_path_factory, foreign_folder):
    """The folders of the packages that the runs need."""
    folder = tmp_path_factory.mktemp("noisy")
    info = folder / "noisy_package-1.0.dist-info"
    info.mkdir()
    (folder / "noisy_package.py").write_text(MODEL)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: noisy-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return [str(folder), str(foreign_folder)]


@pytest.fixture(scope="module")
def failing(tmp_path_factory, packages):
    """The folder of a run on two ranks of which one fails, and a function to its finished process and its end time.

    It mostly waits, so it runs beside `runs`.
    """
    folder = tmp_path_factory.mktemp("failing")
    (folder / "recipe.yaml").write_text(RECIPE)
    with ThreadPoolExecutor(1) as pool:
        # seconds after which msrun gives up a process that it has killed
        yield folder, pool.submit(msrun, folder, packages, "failing", MS_NODE_TIMEOUT="5")


@pytest.fixture(scope="module")
def runs(tmp_path_factory, packages, failing):
    """A folder with the runs of one process, in one/, and of two, in runs/, and what the two had to say."""
    folder = tmp_path_factory.mktemp("cards")
    (folder / "recipe.yaml").write_text(RECIPE)
    (folder / "shared.json").write_text(json.dumps(RUNS))
    done, _ = msrun(folder, packages, "several")
    assert done.returncode == 0, done.stdout[-3000:]
    with pytest.MonkeyPatch.context() as patch:
        for package in packages:
            patch.syspath_prepend(package)
        for name, overrides in {"two": [], "four": FOUR, "judged": JUDGED}.items():
            Trainer(load_recipe(folder / "recipe.yaml", overrides), folder / "one" / name).run()
    return folder


def arrays(run, part="weights", step=4):
    return load_file(run / f"checkpoints/step_{step:08d}/{part}.safetensors")


def assert_equal_runs(run, other, tolerance=1e-5, parts=("weights", "ema", "state")):
    for part in parts:
        first, second = arrays(run, part), arrays(other, part)
        assert first.keys() == second.keys()
        for name in first:
            np.testing.assert_allclose(
                first[name], second[name], atol=tolerance, rtol=tolerance, err_msg=f"{part} {name}"
            )


def test_two_ranks_with_half_the_batch_each_make_the_weights_of_one_with_the_whole(runs):
    assert_equal_runs(runs / "runs/two", runs / "one/two")
    # equal because trained alike, not because not trained
    moved = np.abs(arrays(runs / "one/two")["even"] - arrays(runs / "one/two", step=2)["even"])
    assert moved.max() > 0.01


def test_two_ranks_have_the_loss_and_the_gradient_of_the_whole_batch(runs):
    one, two = (lines(runs / side / "two") for side in ("one", "runs"))
    assert len(one) == len(two) == 5
    for a, b in zip(one, two):
        for name in {"loss", "gradient_norm"} & a.keys():
            assert a[name] == pytest.approx(b[name], rel=1e-5)


def test_accumulated_batches_of_two_ranks_make_the_step_of_one_large_batch(runs):
    assert_equal_runs(runs / "runs/two_accumulated", runs / "one/four")


def test_two_ranks_that_are_resumed_make_the_same_bits(runs):
    assert_equal_runs(runs / "runs/two_cut", runs / "runs/two_accumulated", tolerance=0)


def test_two_ranks_train_both_networks_as_one_does(runs):
    parts = [f"{network}{part}" for network in ("", "discriminator.") for part in ("weights", "state")]
    assert_equal_runs(runs / "runs/judged", runs / "one/judged", parts=parts)
    moved = np.abs(arrays(runs / "one/judged")["even"] - arrays(runs / "one/two")["even"])
    assert moved.max() > 1e-3


def test_the_evaluation_of_two_ranks_is_that_of_one(runs):
    one, two = (lines(runs / side / "two")[-1] for side in ("one", "runs"))
    assert one["step"] == two["step"] == 4
    assert one["eval"]["psnr"] == pytest.approx(two["eval"]["psnr"], abs=1e-4)
    # Of a whole set: each rank collects its share of the clips, and the figure is that of all of them.
    assert one["eval"]["foreign_spread"] == pytest.approx(two["eval"]["foreign_spread"], rel=1e-3)
    assert one["baseline"] == two["baseline"]


def test_only_the_first_rank_writes(runs):
    told = [json.loads((runs / f"rank_{rank}.json").read_text()) for rank in range(2)]
    assert [entry["found"]["two"] for entry in told] == [[0, 2, 4, None], [1, 2, 4, None]]
    assert {"metrics.jsonl", "step_00000004"} <= set(told[0]["written"]) and told[1]["written"] == []
    assert sorted(path.name for path in (runs / "runs/two").iterdir()) == sorted(
        path.name for path in (runs / "one/two").iterdir()
    )


def test_a_file_that_only_the_second_rank_found_unreadable_is_written_down_too(runs):
    told = (runs / "runs/stopped/unreadable.csv").read_text().splitlines()
    assert told == ["path,reason", "of_0.mp4,broken", "of_both.mp4,broken", "of_1.mp4,broken"]


def test_a_rank_that_is_asked_to_stop_has_all_of_them_save_and_leave_after_that_step(runs):
    for rank in range(2):
        _, _, step, stopped = json.loads((runs / f"rank_{rank}.json").read_text())["found"]["stopped"]
        assert step == 3 and "stopped after step 3 of 4, which is saved" in stopped
    assert (runs / "runs/stopped/checkpoints/step_00000003/weights.safetensors").exists()


def test_a_rank_that_dies_ends_the_run_with_its_reason(failing):
    folder, run = failing
    done, ended = run.result()
    last_word = (folder / "logs/worker_1.log").stat().st_mtime
    assert done.returncode != 0 and ended - last_word < 120
    assert "the disk of rank 1 is gone: mount it" in done.stdout
    steps = [line["step"] for line in lines(folder / "runs/failing")]
    assert 2 < len(steps) < 400 and (folder / "runs/failing/checkpoints/step_00000002/weights.safetensors").exists()


def test_a_rank_ends_with_msrun_and_no_other_process_does(tmp_path):
    waits = (
        "import time; from mindone_tae.zoo.device.msrun import end_with_msrun; end_with_msrun(); "
        "print('waits', flush=True); time.sleep(2); print('went on')"
    )
    starts = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {waits!r}])"
    told = {}
    for starter, role in (("msrun", "MS_WORKER"), ("msrun", "MS_SCHED"), ("another", "MS_WORKER")):
        (tmp_path / starter).write_text(starts)
        process = subprocess.Popen(
            [sys.executable, tmp_path / starter], env={**os.environ, "MS_ROLE": role}, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == "waits\n"
        process.kill()
        process.wait()
        told[starter, role] = process.stdout.read()  # to the end of the process that it started
    assert told == {
        ("msrun", "MS_WORKER"): "",
        ("msrun", "MS_SCHED"): "went on\n",
        ("another", "MS_WORKER"): "went on\n",
    }


@pytest.mark.parametrize(
    "started_by, overrides, message",
    [
        (None, "env.distributed=true", "msrun did not start this process"),
        ("MS_WORKER", "env.distributed=false", "each would do all of it"),
    ],
)
def test_a_run_that_was_not_started_as_its_recipe_says_is_refused(
    foreign_recipe, tmp_path, monkeypatch, started_by, overrides, message
):
    if started_by:
        monkeypatch.setenv("MS_ROLE", started_by)
    with pytest.raises(UserError, match=message):
        Trainer(load_recipe(foreign_recipe, [overrides]), tmp_path / "run").run()


@pytest.mark.parametrize("number, count", [(0, 3), (1, 2), (7, 2), (20, 8), (3, 5)])
def test_the_shares_of_all_ranks_are_everything_once_and_differ_by_one_at_most(number, count):
    shares = [list(Ranks(rank, count).share(number)) for rank in range(count)]
    assert sum(shares, []) == list(range(number))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
