"""Another package's model is trained on latents by the generic trainer, without videos."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

import mindone_tae
from mindone_tae.data import LatentClip
from mindone_tae.data.latents.shards import write_index, write_shard

WITHOUT_VIDEO = """
import os, sys
from importlib.abc import MetaPathFinder
class NoVideo(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in ("mindone_tae.data.readers.opening", "mindone_tae.data.tae_video"):
            raise ImportError(f"{name} reads videos")
sys.meta_path.insert(0, NoVideo())
from mindone_tae.cli import run
os._exit(run(sys.argv[1:]))
"""


def test_training_on_latents_needs_no_video(foreign_folder, foreign_recipe, tmp_path):
    rng = np.random.default_rng(0)
    for shard in range(2):
        clips = {}
        for number in range(3):
            mean, name = rng.standard_normal((16, 1, 2, 4), dtype=np.float32), f"{shard}/{number}.mp4"
            clips[name] = LatentClip(mean, mean - 3, 8, 8.0, (16, 24), name, scaling_factor=1.5, shift_factor=0.25)
        write_shard(tmp_path / f"latents/latents-0000{shard}.safetensors", clips)
    write_index(tmp_path / "latents")
    dataset = "{name: tae_latents, folder: latents, posterior: sample, convention: diffusers}"
    foreign_recipe.write_text(foreign_recipe.read_text().replace("{name: foreign_noise}", dataset))
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            WITHOUT_VIDEO,
            "train",
            "--config",
            str(foreign_recipe),
            "--output_path",
            "run",
            "model.channels=16",
            "scheduler.lr=0.2",
        ],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(foreign_folder), str(Path(mindone_tae.__file__).parent.parent)]),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    losses = [json.loads(line)["loss"] for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    # a new model gives zeros, and mse sums the squares of a frame's 128 values 1.5 * (mean - 0.25 + noise), the noise
    # of variance exp(mean - 3)
    expected = 128 * 1.5**2 * (1 + 0.25**2 + np.exp(0.5 - 3))
    assert abs(losses[0] / expected - 1) < 0.3
    assert losses[-1] < losses[0] / 2
