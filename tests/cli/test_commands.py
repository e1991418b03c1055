"""Exit status, messages in one clear line, and the places of output files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from mindone_tae.cli import run
from mindone_tae.cli.console import Console
from mindone_tae.cli.flags import model_overrides
from mindone_tae.cli.parser import parse
from mindone_tae.data import LatentClip, open_video, read_latents, write_latents, write_video
from mindone_tae.zoo import UserError

TINY = {"name": "tae", "block_out_channels": [8, 8, 8, 8], "layers_per_block": 1, "norm_num_groups": 4}


def command(*words, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "mindone_tae", *map(str, words)], cwd=cwd, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A small model's weights, with its architecture in their metadata, as training writes them."""
    from safetensors.numpy import save_file

    from mindone_tae import TemporalAutoencoder

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


@pytest.mark.parametrize("words", [["--help"], ["list"], ["--version"], ["train", "--help"]])
def test_what_needs_no_device_imports_no_mindspore(words):
    code = (
        "import sys\nimport mindone_tae\nfrom mindone_tae.cli import run\n"
        f"status = run({words!r})\n"
        "assert 'mindspore' not in sys.modules, 'mindspore'\nassert 'mindone' not in sys.modules, 'mindone'\n"
        "sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["train", "evaluate", "reconstruct", "encode", "decode", "demo", "latent-stats"])
def test_the_flags_of_the_guide_are_taken_by_every_command_that_runs_a_model(name):
    words = (
        "--config a.yaml --output_path b --csv_path c --video_folder d --ckpt_path e --batch_size 2 --num_frames 3 "
        "--image_size 64 --enable_tile"
    )
    options = vars(parse([name, *words.split(), *(["--latent_folder", "f"] if name == "decode" else [])]))
    taken = {
        "config": "a.yaml",
        "output_path": "b",
        "csv_path": "c",
        "video_folder": "d",
        "ckpt_path": "e",
        "batch_size": 2,
    }
    assert (
        vars(
            parse(
                [
                    name,
                    *words.split(),
                    "--video_column",
                    "clip",
                    *(["--latent_folder", "f"] if name == "decode" else []),
                ]
            )
        )["video_column"]
        == "clip"
    )
    taken.update(num_frames=3, image_size="64", enable_tile=True)
    assert {key: options[key] for key in taken} == taken


@pytest.mark.parametrize("name", ["train", "evaluate", "reconstruct", "encode", "decode", "demo", "latent-stats"])
@pytest.mark.parametrize(
    "words, expected",
    [
        (["--enable_tile"], True),
        (["--enable_tile=True"], True),
        (["--enable_tile=False"], False),
        (["--enable_tile", "false"], False),
        (["--enable_tile", "--batch_size", "2"], True),
        ([], None),
    ],
)
def test_tiles_are_switched_on_and_off_as_the_guide_writes_it(name, words, expected):
    needed = ["--config", "a.yaml", "--output_path", "b", *(["--latent_folder", "f"] if name == "decode" else [])]
    options = parse([name, *needed, *words])
    assert options.enable_tile is expected
    assert model_overrides(options) == ([] if expected is None else [("model.use_tile", expected)])


def test_a_bare_switch_leaves_the_video_behind_it_a_video(tmp_path):
    video = tmp_path / "clip.mp4"
    video.touch()
    options = parse(["reconstruct", "--enable_tile", str(video)])
    assert options.enable_tile is True and options.videos == [str(video)]
    with pytest.raises(UserError, match="'maybe' is neither True nor False"):
        parse(["reconstruct", "--enable_tile=maybe"])


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
    assert "cannot be used" in claimed and "rival (rival:Model)" in claimed and "mindone_tae (" in claimed
    assert "  psnr " in done.stdout and "tae/train/tiny_64x64x8" in done.stdout


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
    "path, said",
    [
        ("afile", "--output_path is afile, which is a file"),
        ("afile/run", "--output_path is afile/run, and afile is a file"),
    ],
)
@pytest.mark.parametrize(
    "words",
    [
        ["train", "--config", "tae/train/tiny_64x64x8"],
        ["evaluate", "--config", "tae/eval/default"],
        ["reconstruct", "--video_folder", "."],
        ["encode", "--video_folder", "."],
        ["decode", "--latent_folder", "."],
        ["latent-stats", "--latent_folder", "."],
        ["check-data", "."],
        ["demo"],
    ],
)
def test_an_output_path_that_is_a_file_is_told_in_one_line_and_the_file_is_kept(
    words, path, said, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "afile").write_text("mine")
    assert run([*words, "--output_path", path]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert said in line and "it must be a folder" in line
    assert [entry.name for entry in tmp_path.iterdir()] == ["afile"] and (tmp_path / "afile").read_text() == "mine"


@pytest.mark.parametrize(
    "words",
    [
        *([name, "--video_folder", "."] for name in ("reconstruct", "encode", "evaluate", "linear-code")),
        *([name, "--latent_folder", "."] for name in ("decode", "latent-stats")),
        *([name, "."] for name in ("plot", "report", "check-data")),
        ["train", "--config", "tae/train/tiny_64x64x8"],
        ["demo"],
    ],
)
def test_an_empty_output_path_is_refused_on_every_command(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for empty in ("", " "):
        assert run([*words, "--output_path", empty]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert f"--output_path is {empty!r}; it must name something" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words", [["plot", ""], ["report", "a", ""], ["encode", " "], ["inflate", "--src", "", "--target", "a"]]
)
def test_an_empty_name_is_not_the_working_directory(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(words) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "it must name something" in line


@pytest.mark.parametrize(
    "words, message",
    [
        (["--image_size", "9" * 5000], "size is '9999"),
        (["--image_size", "²"], "size is '²'"),
        (["--shard_size_mb", "inf"], "--shard_size_mb is inf; it must be above 0 and at most 1000000"),
        (["--batch_size", "-1"], "--batch_size is -1; it must be 1 or more"),
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
        (["--video_folder", ".", "env.device_target=Ascend"], "env.device_target=CPU"),
        (["--video_folder", "good", "--image_size", "60"], "multiples of 8"),
        (
            ["--video_folder", "good", "loss.lpips_path=lpips.safetensors", "loss.perceptual_weight=1"],
            "mindone-tae lpips-weights",
        ),
        (["--video_folder", "good", "--ckpt_path", "weights.pth"], "weights.pth"),
    ],
)
def test_a_mistake_found_while_starting_is_told_the_same_way(words, message, tmp_path):
    (tmp_path / "wrong.csv").write_text("path\na.mp4\n")
    (tmp_path / "empty.csv").write_text("video\n")
    (tmp_path / "broken.csv").write_text("video\nbroken.mp4\n")
    (tmp_path / "broken.mp4").write_bytes(b"")
    (tmp_path / "weights.pth").write_bytes(b"\x80\x02}q\x00.")
    write_video(tmp_path / "good/a.mp4", np.zeros((8, 64, 64, 3), np.uint8), fps=8)
    done = command("train", "--config", "tae/train/tiny_64x64x8", "--output_path", "run", *words, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr and "Traceback" not in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert not (tmp_path / "run/checkpoints").exists()


def test_keys_and_sections_of_a_recipe_are_set_in_every_spelling():
    words = ["train.steps=3", "--train.seed=4", "--train.note", "a=b", "discriminator={name: patchgan_3d}"]
    assert parse(["train", "--config", "r", *words, "--output_path", "x"]).overrides == [
        "train.steps=3",
        "train.seed=4",
        "train.note=a=b",
        "discriminator={name: patchgan_3d}",
    ]


def test_encode_and_decode_round_trip_a_nested_folder_keeping_frame_counts(weights, videos, tmp_path):
    encoded = command(
        "encode",
        "--ckpt_path",
        weights,
        "--video_folder",
        videos,
        "--image_size",
        "32,40",
        "--batch_size",
        2,
        "--output_path",
        "latents",
        cwd=tmp_path,
    )
    assert encoded.returncode == 0, encoded.stderr
    assert (
        "1 files cannot be used" in encoded.stdout and "text.mp4" in (tmp_path / "latents/unreadable.csv").read_text()
    )

    clip = read_latents(tmp_path / "latents/deep/d.gif.safetensors")
    assert (clip.frames, clip.size, clip.fps, clip.source) == (17, (32, 40), pytest.approx(10, rel=0.01), "deep/d.gif")
    assert clip.mean.shape == clip.logvar.shape == (16, 3, 4, 5)
    assert (clip.scaling_convention, clip.scaling_factor, clip.shift_factor) == ("none", 1.5305, 0.0609)

    decoded = command(
        "decode", "--ckpt_path", weights, "--latent_folder", "latents", "--output_path", "back", cwd=tmp_path
    )
    assert decoded.returncode == 0, decoded.stderr
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


def test_a_model_without_weights_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_video("videos/a.mp4", np.zeros((1, 8, 8, 3), np.uint8), fps=8)
    architecture = [f"model.{key}={json.dumps(value)}" for key, value in TINY.items() if key != "name"]
    assert (
        run(["encode", "--video_folder", "videos", "--image_size", "8", "--output_path", "latents", *architecture]) == 0
    )
    assert "no weights are given, so tae has random ones: add --ckpt_path" in capsys.readouterr().err


def test_a_command_leaves_the_environment_as_it_was(tmp_path):
    before = dict(os.environ)
    console = Console()
    console.quiet(tmp_path)
    assert os.environ["MS_DEV_SAVE_GRAPHS_PATH"] == str(tmp_path / "graphs")
    console.close()
    assert dict(os.environ) == before


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
    assert "liar/a.mp4.safetensors says it is of 100000000000 frames" in capsys.readouterr().err
    for refused, said in (
        (["--csv_path", "other.csv"], "no latent of the 1 clips of other.csv"),
        (["--num_frames", "0"], "--num_frames is 0"),
    ):
        assert run([*words, "--output_path", "none", *refused]) == 2
        assert said in capsys.readouterr().err
    assert not Path("none").exists()


def test_reconstruct_writes_video_side_by_side_and_sheet(weights, videos, tmp_path):
    done = command(
        "reconstruct",
        "--ckpt_path",
        weights,
        "--video_folder",
        videos / "deep",
        "--image_size",
        "32,40",
        "--output_path",
        "out",
        "--format",
        "gif",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    with open_video(tmp_path / "out/reconstruction/d.gif.gif") as reader:
        assert (len(reader), reader.size) == (17, (32, 40))
    with open_video(tmp_path / "out/side_by_side/d.gif.gif") as reader:
        assert len(reader) == 17 and reader.size[1] > 80
    assert Image.open(tmp_path / "out/sheets/d.gif.png").height > 3 * 32


def test_evaluate_prints_the_model_beside_the_baseline_and_writes_json(weights, videos, tmp_path):
    words = [
        "--ckpt_path",
        weights,
        "--video_folder",
        videos,
        "--image_size",
        "32,40",
        "--num_frames",
        "8",
        "--output_path",
        "out",
    ]
    done = command("evaluate", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "out/evaluation.json").read_text())
    assert {"tae", "average_pooling"} <= set(done.stdout.split())
    protocol = result["protocol"]["psnr"]
    assert f"psnr: {protocol.partition(',')[0]}\n" in done.stdout and "; mean over frames" in protocol
    assert result["baseline"]["mean"]["psnr"] > 0 and len(result["clips"]) == 5
    assert len(result["unreadable"]) == 1
    again = command("evaluate", *words, cwd=tmp_path)
    assert again.stdout == done.stdout
    assert sorted(path.name for path in Path(tmp_path / "out/pictures").iterdir())


def test_a_flag_cut_short_is_no_flag(capsys):
    assert run(["train", "--config", "tae/train/tiny_64x64x8", "--output_path", "out", "--resum"]) == 2
    assert "--resum" in capsys.readouterr().err and not Path("out").exists()
