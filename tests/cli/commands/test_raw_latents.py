"""`decode` on bare arrays of another sampler."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from mindone_tae.cli import run
from mindone_tae.data import LatentClip, open_video, write_latents
from mindone_tae.data.latents.folder import find_latents
from mindone_tae.data.latents.raw import find_raw
from mindone_tae.data.latents.shards import write_shard
from mindone_tae.zoo.errors import UserError

pytestmark = pytest.mark.apart


@pytest.fixture
def decode(weights, tmp_path, monkeypatch, capsys):
    """decode(*words) runs the command here and gives what it printed."""
    monkeypatch.chdir(tmp_path)

    def call(*words, status=0):
        assert run(["decode", "--ckpt_path", str(weights / "0.safetensors"), "--output_path", "out", *words]) == status
        return capsys.readouterr()

    return call


def latents(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def test_arrays_of_every_form_become_videos_of_their_length_and_size(decode):
    Path("some/deep").mkdir(parents=True)
    np.save("some/deep/a.npy", latents(16, 2, 2, 3))
    np.save("some/b.npy", latents(2, 16, 1, 1, 2).astype(np.float16))
    save_file({"x": latents(1, 16, 1, 2, 2), "y/z": latents(16, 1, 2, 2)}, "some/c.safetensors")
    decode("--latent_folder", "some", "--convention", "none", "--fps", "12")
    found = {}
    for path in Path("out").rglob("*.mp4"):
        with open_video(path) as reader:
            found[path.relative_to("out").as_posix()] = (len(reader), *reader.size, reader.fps)
    assert found == {
        "deep/a.mp4": (16, 16, 24, 12.0),
        "b_0.mp4": (8, 8, 16, 12.0),
        "b_1.mp4": (8, 8, 16, 12.0),
        "c.x.mp4": (8, 16, 16, 12.0),
        "c.y.z.mp4": (8, 16, 16, 12.0),
    }


def test_the_convention_is_undone_by_the_models_factors(decode, tiny):
    z, scale, shift = 5 * latents(16, 1, 2, 2), tiny["scaling_factor"], tiny["shift_factor"]
    scaled = {"none": z, "mindone": z * scale + shift, "diffusers": (z - shift) * scale}

    def decoded(array, convention):
        np.save("a.npy", array)
        decode("--latent_folder", "a.npy", "--convention", convention)
        with open_video("out/a.mp4") as reader:
            return reader.read(range(8)).astype(int)

    videos = {convention: decoded(array, convention) for convention, array in scaled.items()}
    assert all(np.abs(video - videos["none"]).mean() < 0.5 for video in videos.values())
    assert np.abs(decoded(scaled["diffusers"], "mindone") - videos["none"]).mean() > 1


@pytest.mark.parametrize(
    "array, words, message",
    [
        (
            latents(16, 1, 2, 2),
            [],
            "a.npy does not say how it is scaled; --convention must, one of none, mindone, diffusers",
        ),
        (latents(16, 2, 2), ["--convention", "none"], "a.npy has shape .16, 2, 2.; a latent is"),
        (latents(8, 1, 2, 2), ["--convention", "none"], "a.npy has shape .8, 1, 2, 2.; the model's latents are"),
        (np.ones((16, 1, 2, 2), int), ["--convention", "none"], "a.npy holds int64; latents are float16"),
        (np.array([{}]), ["--convention", "none"], "a.npy cannot be read as an array"),
        (np.full((16, 1, 2, 2), np.nan), ["--convention", "none"], "a.npy holds numbers that are not finite"),
        (
            latents(16, 1, 2, 2),
            ["--convention", "none", "--fps", "0"],
            "--fps is 0; it must be a number from 0.001 to 1000",
        ),
    ],
)
def test_what_is_no_latent_is_told_in_one_line(decode, array, words, message):
    np.save("a.npy", array, allow_pickle=True)
    error = decode("--latent_folder", "a.npy", *words, status=2).err
    (line,) = [line for line in error.splitlines() if line.startswith("error: ")]
    assert re.search(message, line) and not list(Path().rglob("*.mp4"))


def test_a_bare_array_among_what_encode_wrote_is_told_and_neither_is_left_out(decode):
    z = latents(2, 16, 1, 2, 2)
    write_latents("some/a.mp4.safetensors", LatentClip(*z, frames=8, fps=8.0, size=(16, 16), source="a.mp4"))
    np.save("some/b.npy", z[0])
    error = decode("--latent_folder", "some", "--convention", "none", status=2).err
    assert "some/b.npy" in error and "some/a.mp4.safetensors" in error and "move them apart" in error


def test_one_shard_of_a_folder_is_decoded(decode):
    z = latents(2, 16, 1, 2, 2)
    clips = {
        name: LatentClip(*z, frames=8, fps=8.0, size=(16, 16), source=name)
        for name in ("e.mp4", "d.mp4", "a.mp4", "deep/b.mp4")
    }
    write_shard(Path("latents-00000.safetensors"), clips)
    decode("--latent_folder", "latents-00000.safetensors")
    names = ["a.mp4", "d.mp4", "deep/b.mp4", "e.mp4"]
    assert sorted(str(path) for path in Path("out").rglob("*.mp4")) == [f"out/{name}.mp4" for name in names]
    found, _ = find_latents(Path("latents-00000.safetensors"))
    assert [latent.name for latent in found] == names


def test_two_latents_of_one_name_are_told_before_one_video_replaces_the_other(decode):
    Path("some").mkdir()
    np.save("some/b.npy", latents(2, 16, 1, 1, 2))
    np.save("some/b_0.npy", latents(16, 1, 1, 2))
    error = decode("--latent_folder", "some", "--convention", "none", status=2).err
    assert "some/b.npy[0] and some/b_0.npy are both the latent of b_0" in error and not list(Path().rglob("*.mp4"))


@pytest.mark.parametrize("name", ["pipe.npy", "pipe.safetensors"])
def test_a_pipe_among_latents_is_no_latent(decode, name):
    Path("some").mkdir()
    os.mkfifo(f"some/{name}")
    assert name in decode("--latent_folder", "some", "--convention", "none", status=2).err


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_shortened_since_it_was_found_is_an_error(tmp_path, order):
    array = np.array(latents(2, 16, 2, 30, 40), order=order)
    np.save(tmp_path / "a.npy", array)
    first, second = find_raw(tmp_path)
    np.testing.assert_array_equal(np.stack([first.read(), second.read()]), array)
    os.truncate(tmp_path / "a.npy", 5000)
    with pytest.raises(UserError, match="a.npy became shorter"):
        second.read()
