"""A run killed at random moments ends in the same files as an uninterrupted one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import mindone_tae

ROOT = Path(mindone_tae.__file__).resolve().parent.parent

# Every kind of state: moving averages, a loss scale that follows refused steps, a learning rate that changes, the best
# checkpoint, evaluations, and a second network that starts late, with an optimizer of its own.
SETTINGS = [
    "env.mode=0",
    "train.save_every=2",
    "train.eval_every=3",
    "train.keep_checkpoints=2",
    "train.keep_best=psnr",
    "train.ema_decay=0.9",
    "train.dynamic_loss_scale=true",
    "train.loss_scale=1024",
    "train.gradient_accumulation_steps=2",
    "scheduler.name=cosine_decay",
    "dataset.clips=23",
    "dataset.broken=4",
    "eval.dataset={broken: -1, clips: 2}",
    "discriminator={name: patchgan_2d, width: 2, layers: 1}",
    "adversarial={start_step: 5, ema_decay: 0.8, optimizer: {name: adam, betas: [0.5, 0.9]}}",
]


@pytest.mark.apart
@pytest.mark.parametrize(
    "kills, steps",
    [
        (4, 24),  # one of each kind
        pytest.param(10, 50, marks=pytest.mark.exhaustive),
    ],
)
def test_kills_at_random_moments_change_no_bit(foreign_folder, foreign_recipe, tmp_path, kills, steps):
    done = subprocess.run(
        [
            sys.executable,
            ROOT / "tools/kill_run.py",
            "--config",
            foreign_recipe,
            "--output_path",
            "out",
            "--kills",
            str(kills),
            f"train.steps={steps}",
            *SETTINGS,
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(foreign_folder), str(ROOT)])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    log = (tmp_path / "out/kills.log").read_text().splitlines()
    assert len([line for line in log if line.startswith("kill ")]) == kills
    assert log[-1].startswith(f"after {kills} kills, equal bit for bit")
