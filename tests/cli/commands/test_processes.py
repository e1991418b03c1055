"""What a command is as a process: fresh, and without a trace in the one that calls it."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

from mindone_tae.cli.console import Console
from mindone_tae.data import read_latents, write_video


@pytest.mark.parametrize("words", [["--help"], ["list"], ["--version"], ["train", "--help"]])
def test_what_needs_no_device_imports_no_mindspore(words, without_mindspore):
    without_mindspore(words)


def test_a_fresh_process_does_the_work_and_prints_only_what_it_says(weights, tmp_path):
    write_video(tmp_path / "clip.mp4", np.zeros((3, 8, 16, 3), np.uint8), fps=10)
    words = ["encode", "clip.mp4", "--ckpt_path", weights / "0.safetensors", "--output_path", "latents"]
    done = subprocess.run(
        [sys.executable, "-m", "mindone_tae", *map(str, words)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "1 latents" in done.stdout and "WARNING" not in done.stdout + done.stderr
    assert read_latents(tmp_path / "latents/clip.mp4.safetensors").frames == 3


def test_a_mistake_is_the_status_of_a_fresh_process(tmp_path):
    words = ["decode", "--latent_folder", "nowhere", "--output_path", "out"]
    done = subprocess.run([sys.executable, "-m", "mindone_tae", *words], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)


def test_list_goes_on_after_a_name_that_two_packages_claim(tmp_path):
    info = tmp_path / "rival-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rival\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mindone.models]\ntae = rival:Model\n")
    done = subprocess.run(
        [sys.executable, "-m", "mindone_tae", "list"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 0 and done.stderr == ""
    claimed = next(line for line in done.stdout.splitlines() if line.startswith("  tae "))
    assert "cannot be used" in claimed and "rival (rival:Model)" in claimed and re.search(r"mindone[-_]tae \(", claimed)
    assert "  psnr " in done.stdout and "tae/train/tiny_64x64x8" in done.stdout


def test_a_command_leaves_the_environment_as_it_was(tmp_path):
    before = dict(os.environ)
    console = Console()
    console.quiet(tmp_path)
    assert os.environ["MS_DEV_SAVE_GRAPHS_PATH"] == str(tmp_path / "graphs")
    console.close()
    assert dict(os.environ) == before
