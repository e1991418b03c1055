"""encode, decode, reconstruct and evaluate on a nested folder: what they write and where."""

import json
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from mindone_tae import TemporalAutoencoder
from mindone_tae.cli import run
from mindone_tae.data import LatentClip, open_video, read_latents, write_latents, write_video
from mindone_tae.weights import read_model

TINY = {"name": "tae", "block_out_channels": [8, 8, 8, 8], "layers_per_block": 1, "norm_num_groups": 4}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A small model's weights, with its architecture in their metadata, as training writes them."""
    model = TemporalAutoencoder(**{key: value for key, value in TINY.items() if key != "name"})
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_file({p.name: p.asnumpy() for p in model.get_parameters()}, path, {"model": json.dumps(TINY)})
    return path


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """A folder with nested folders, of videos of several lengths, an image, and a file that is no video."""
    folder = tmp_path_factory.mktemp("videos")
    rng = np.random.default_rng(0)
    for name, frames in {"a.mp4": 9, "deep/er/b c.mp4": 1, "deep/d.gif": 17, "deep/e.mkv": 4}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (frames, 32, 40, 3), np.uint8)
        if path.suffix == ".mkv":
            with av.open(str(path), "w") as container:
                stream = container.add_stream("libx264", rate=10)
                stream.width, stream.height, stream.pix_fmt = 40, 32, "yuv420p"
                for frame in pixels:
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
                container.mux(stream.encode(None))
        else:
            write_video(path, pixels, fps=10)
    Image.fromarray(rng.integers(0, 255, (32, 40, 3), np.uint8)).save(folder / "deep/f.png")
    (folder / "text.mp4").write_text("not a video")
    return folder


def test_encode_and_decode_round_trip_a_nested_folder_keeping_frame_counts(weights, videos, command, tmp_path):
    words = ["--ckpt_path", weights, "--video_folder", videos, "--image_size", "32,40", "--batch_size", 2]
    said = command("encode", *words, "--output_path", "latents")
    assert "1 file cannot be used" in said and "text.mp4" in (tmp_path / "latents/unreadable.csv").read_text()

    clip = read_latents(tmp_path / "latents/deep/d.gif.safetensors")
    assert (clip.frames, clip.size, clip.fps, clip.source) == (17, (32, 40), pytest.approx(10, rel=0.01), "deep/d.gif")
    assert clip.mean.shape == clip.logvar.shape == (16, 3, 4, 5)
    assert (clip.scaling_convention, clip.scaling_factor, clip.shift_factor) == ("none", 1.5305, 0.0609)

    command("decode", "--ckpt_path", weights, "--latent_folder", "latents", "--output_path", "back")
    found = {
        path.relative_to(tmp_path / "back").as_posix(): path
        for path in (tmp_path / "back").rglob("*")
        if path.suffix in (".mp4", ".gif", ".png")
    }
    lengths = {"a.mp4": 9, "deep/er/b c.mp4": 1, "deep/d.gif": 17, "deep/e.mkv": 4, "deep/f.png": 1}
    lengths = {f"{name}.{'png' if name.endswith('png') else 'mp4'}": frames for name, frames in lengths.items()}
    assert set(found) == set(lengths)
    for name, path in found.items():
        with open_video(path) as reader:
            assert (len(reader), reader.size) == (lengths[name], (32, 40)), name


def test_decode_takes_some_clips_some_frames_and_another_size(weights, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    zeros = np.zeros((16, 2, 2, 3), np.float32)
    for name in ("a.mp4", "deep/b.mp4"):
        write_latents(
            f"latents/{name}.safetensors", LatentClip(zeros, zeros, frames=11, fps=5.0, size=(16, 24), source=name)
        )
    Path("some.csv").write_text("video\ndeep/b.mp4\nnever_encoded.mp4\n")
    words = ["decode", "--ckpt_path", str(weights), "--latent_folder", "latents"]
    assert (
        run([*words, "--output_path", "some", "--csv_path", "some.csv", "--num_frames", "3", "--image_size", "32,32"])
        == 0
    )
    assert [str(path) for path in Path("some").rglob("*.mp4")] == ["some/deep/b.mp4.mp4"]
    with open_video("some/deep/b.mp4.mp4") as reader:
        assert (len(reader), reader.size, reader.fps) == (3, (32, 32), 5.0)
    Path("other.csv").write_text("video\nc.mp4\n")
    write_latents(
        "liar/a.mp4.safetensors", LatentClip(zeros, zeros, frames=10**11, fps=5.0, size=(16, 24), source="a.mp4")
    )
    assert run([*words[:-1], "liar", "--output_path", "lied"]) == 2
    assert "liar/a.mp4.safetensors is noted as 100000000000 frames of 16x24, which needs" in capsys.readouterr().err
    for refused, said in (
        (["--csv_path", "other.csv"], "no latent of the 1 clips of other.csv"),
        (["--num_frames", "0"], "--num_frames is 0"),
    ):
        assert run([*words, "--output_path", "none", *refused]) == 2
        assert said in capsys.readouterr().err
    assert not Path("none").exists()


def test_reconstruct_writes_video_side_by_side_and_sheet(weights, videos, command, tmp_path):
    words = ["--ckpt_path", weights, "--video_folder", videos / "deep", "--image_size", "32,40"]
    command("reconstruct", *words, "--output_path", "out", "--format", "gif")
    with open_video(tmp_path / "out/reconstruction/d.gif.gif") as reader:
        assert (len(reader), reader.size) == (17, (32, 40))
    with open_video(tmp_path / "out/side_by_side/d.gif.gif") as reader:
        assert len(reader) == 17 and reader.size[1] > 80
    assert Image.open(tmp_path / "out/sheets/d.gif.png").height > 3 * 32


def test_evaluate_prints_the_model_beside_the_baseline_and_writes_json(weights, videos, command, tmp_path):
    words = ["--ckpt_path", weights, "--video_folder", videos, "--image_size", "32,40", "--num_frames", 8]
    said = command("evaluate", *words, "--output_path", "out")
    result = json.loads((tmp_path / "out/evaluation.json").read_text())
    assert {"tae", "average_pooling"} <= set(said.split())
    protocol = result["protocol"]["psnr"]
    assert f"psnr: {protocol.partition(',')[0]}\n" in said and "; mean over frames" in protocol
    assert result["baseline"]["mean"]["psnr"] > 0 and len(result["clips"]) == 5
    assert len(result["unreadable"]) == 1
    assert command("evaluate", *words, "--output_path", "out") == said
    assert sorted(path.name for path in Path(tmp_path / "out/pictures").iterdir())


def test_decode_takes_the_shipped_weights_as_encode_does(weights, videos, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["encode", str(videos / "deep/er/b c.mp4"), "--output_path", "latents"]) == 0
    assert run(["decode", "--latent_folder", "latents", "--output_path", "decoded"]) == 0
    assert capsys.readouterr().out.count("using the package's small weights (--ckpt_path tiny)") == 2

    one = str(videos / "deep/er/b c.mp4")
    assert run(["encode", one, "--ckpt_path", str(weights), "--image_size", "16", "--output_path", "others"]) == 0
    assert run(["decode", "--latent_folder", "others", "--output_path", "noise"]) == 2
    assert f"(one was encoded with {weights}): give those with --ckpt_path" in capsys.readouterr().err


def test_a_model_whose_encode_gives_no_posterior_is_evaluated_and_not_encoded(videos, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = [str(videos / "a.mp4"), "model={name: linear_code}", "--image_size", "16"]
    assert run(["evaluate", *words, "--output_path", "evaluated", "eval.metrics=[]"]) == 0
    assert run(["reconstruct", *words, "--output_path", "reconstructed"]) == 0
    assert run(["encode", *words, "--output_path", "encoded"]) == 2
    assert "LinearCode.encode does not give (z, mean, logvar)" in capsys.readouterr().err


def test_a_run_from_the_shipped_weights_notes_their_sizes(videos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["--config", "tae/train/tiny_64x64x8", "--ckpt_path", "tiny", "--video_folder", str(videos)]
    words += ["--image_size", "16", "--num_frames", "1", "env.mode=1", "train.steps=1", "loader.num_workers=1"]
    assert run(["train", *words, "--output_path", "run"]) == 0
    assert run(["encode", str(videos / "deep/f.png"), "--ckpt_path", "run", "--output_path", "latents"]) == 0
    (weights,) = Path("run").rglob("weights.safetensors")
    assert read_model(weights)["block_out_channels"] == read_model("tiny")["block_out_channels"]


def test_a_file_that_changed_since_its_manifest_is_left_out_of_encode(videos, weights, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp4", "b.mp4"):
        shutil.copy(videos / "a.mp4", tmp_path / name)
    assert run(["check-data", ".", "--output_path", "checked"]) == 0
    write_video("b.mp4", np.zeros((5, 48, 40, 3), np.uint8), fps=10)
    words = ["encode", ".", "--ckpt_path", str(weights), "dataset.manifest_path=checked/manifest.csv"]
    run([*words, "--image_size", "16", "--output_path", "latents"])
    told = capsys.readouterr()
    assert "b.mp4" in told.err + told.out and "it has changed since the manifest was written" in told.err + told.out
    assert [path.name for path in Path("latents").rglob("*.safetensors")] == ["a.mp4.safetensors"]
