"""Another package's model and dataset are trained and evaluated by tools that have never heard of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mindone_tae


def run(words, foreign_folder, cwd):
    path = os.pathsep.join([str(foreign_folder), str(Path(mindone_tae.__file__).parent.parent)])
    return subprocess.run(
        [sys.executable, "-m", "mindone_tae", *words],
        env={**os.environ, "PYTHONPATH": path},
        cwd=cwd,
        capture_output=True,
        text=True,
    )


@pytest.mark.apart
def test_it_is_trained_and_evaluated_by_the_command(foreign_folder, foreign_recipe, tmp_path):
    listed = run(["list"], foreign_folder, tmp_path)
    assert "foreign_scale" in listed.stdout and "foreign_noise" in listed.stdout

    trained = run(["train", "--config", str(foreign_recipe), "--output_path", "run"], foreign_folder, tmp_path)
    assert trained.returncode == 0, trained.stderr
    losses = [json.loads(line)["loss"] for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert len(losses) == 8 and losses[-1] < losses[0]

    psnr = {}
    for name, words in (("new", ["--config", str(foreign_recipe)]), ("trained", ["--ckpt_path", "run"])):
        evaluated = run(["evaluate", *words, "--output_path", name], foreign_folder, tmp_path)
        assert evaluated.returncode == 0, evaluated.stderr
        psnr[name] = json.loads((tmp_path / name / "evaluation.json").read_text())["mean"]["psnr"]
    # the new model gives zeros for uniform noise on [-1, 1]: in [0, 1] a mean squared error of 1/12
    assert abs(psnr["new"] - 10.79) < 0.3
    assert psnr["trained"] > psnr["new"] + 1


def test_no_line_of_this_package_names_it():
    sources = Path(mindone_tae.__file__).parent.rglob("*.py")
    assert not [path for path in sources if "foreign" in path.read_text()]
