"""A user's mistake is exit status 2 and one clear line."""

import json

import numpy as np
import pytest

from mindone_tae.cli import run
from mindone_tae.data import write_video


def test_a_folder_of_a_run_and_a_current_folder_that_is_gone_are_named(capsys, tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/config.yaml").touch()
    monkeypatch.chdir(tmp_path)
    assert run(["train", "--config", "a", "--output_path", str(tmp_path / "x")]) == 2
    assert "'a' is the folder of a run: give its recipe, a/config.yaml" in capsys.readouterr().err
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert run(["list"]) == 2
    assert "error: the current folder was removed (No such file or directory" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "words, message",
    [
        (["trian"], "trian"),
        (["train", "--config", "tae/train/tiny_64x64x9", "--output_path", "x"], "tiny_64x64x8"),
        (
            ["train", "--config", "tae/train/tiny_64x64x8", "--output_path", "x", "train.stepz=3"],
            "did you mean 'steps'",
        ),
        (["train", "--config", "tae/train/tiny_64x64x8", "--output_path", "x", "model.name=tea"], "did you mean 'tae'"),
        (
            ["train", "--config", "tae/train/tiny_64x64x8", "--output_path", "x", "discriminatr={name: patchgan_3d}"],
            "did you mean 'discriminator'",
        ),
        (
            ["train", "--config", "tae/train/tiny_64x64x8", "--output_path", "x", "discriminator={name: patchgan_4d}"],
            "did you mean 'patchgan_3d'",
        ),
        (
            ["train", "--config", "tae/train/tiny_64x64x8", "--output_path", "x", "--cvs_path", "y"],
            "did you mean '--csv_path'",
        ),
        (["train", "--config", "tae/train/tiny_64x64x8"], "--output_path"),
        (["decode", "--latent_folder", "nowhere", "--output_path", "x"], "--latent_folder"),
    ],
)
def test_a_mistake_is_status_2_and_one_line_without_traceback(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(words) == 2
    shown = capsys.readouterr()
    assert message in shown.err and len(shown.err.strip().splitlines()) == 1
    assert "Traceback" not in shown.err and shown.out == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words, message",
    [
        (["--image_size", "9" * 5000], "size is '9999"),
        (["--image_size", "²"], "size is '²'"),
        (["--shard_size_mb", "inf"], "--shard_size_mb is inf; it must be a number from 1e-06 to 1000000"),
        (["--batch_size", "-1"], "--batch_size is -1; it must be a whole number from 1 up"),
        (["--num_frames", "9" * 5000], "--num_frames"),
        (["dataset.csv_path=[a, b]"], "must be str or None, not ['a', 'b']"),
        ([f"dataset.output_columns=[{', '.join(['video'] * 200)}]", "model.dropout=[]"], "model.dropout"),
    ],
)
def test_absurd_numbers_and_lists_for_paths_are_one_line(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "a.mp4", np.zeros((2, 16, 16, 3), np.uint8), fps=8)
    assert run(["encode", "a.mp4", "--output_path", "out", "--ckpt_path", "tiny", *words]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert message in line and len(line) < 4100


@pytest.mark.parametrize(
    "words, message",
    [
        (["dataset.csv_path=missing.csv"], "missing.csv"),
        (["--csv_path", "wrong.csv"], "column"),
        (["--csv_path", "empty.csv"], "no rows"),
        (["--video_folder", "nowhere"], "nowhere"),
        (["--csv_path", "broken.csv"], "broken.mp4"),
        (["--video_folder", ".", "model.dtype=bfloat16"], "model.dtype=float32"),
        (["--video_folder", ".", "env.cache_graph=true"], "env.cache_graph=false"),
        (["--video_folder", ".", "env.device_target=Ascend"], "env.device_target=CPU"),
        (["--video_folder", "good", "--image_size", "60"], "multiples of 8"),
        (
            ["--video_folder", "good", "loss.lpips_path=lpips.safetensors", "loss.perceptual_weight=1"],
            "mindone-tae lpips-weights",
        ),
        (["--video_folder", "good", "--ckpt_path", "weights.pth"], "weights.pth"),
    ],
)
def test_a_mistake_found_while_starting_is_told_the_same_way(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrong.csv").write_text("path\na.mp4\n")
    (tmp_path / "empty.csv").write_text("video\n")
    (tmp_path / "broken.csv").write_text("video\nbroken.mp4\n")
    (tmp_path / "broken.mp4").write_bytes(b"")
    (tmp_path / "weights.pth").write_bytes(b"\x80\x02}q\x00.")
    write_video(tmp_path / "good/a.mp4", np.zeros((8, 64, 64, 3), np.uint8), fps=8)
    assert run(["train", "--config", "tae/train/tiny_64x64x8", "--output_path", "run", *words]) == 2
    shown = capsys.readouterr().err
    assert message in shown and "Traceback" not in shown
    assert [line for line in shown.splitlines() if line.startswith("error: ")]
    assert not (tmp_path / "run/checkpoints").exists()


def test_a_model_without_weights_is_told(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_video("videos/a.mp4", np.zeros((1, 8, 8, 3), np.uint8), fps=8)
    architecture = [f"model.{key}={json.dumps(value)}" for key, value in tiny.items()]
    assert (
        run(["encode", "--video_folder", "videos", "--image_size", "8", "--output_path", "latents", *architecture]) == 0
    )
    assert "no weights are given, so tae has random ones: add --ckpt_path" in capsys.readouterr().err
