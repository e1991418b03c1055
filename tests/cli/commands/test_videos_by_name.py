"""Videos named on the command line: one file, several, folders, among flags and keys; and the defaults without any."""

import json
from pathlib import Path

import pytest

from mindone_tae.cli import inference, run
from mindone_tae.cli.parser import parse
from mindone_tae.data import open_video

pytestmark = pytest.mark.apart


@pytest.fixture
def small(weights):
    """Words that make any command small."""
    return ["--ckpt_path", str(weights / "0.safetensors"), "--image_size", "8,16"]


def test_reconstruct_one_file_gives_its_video_and_a_page(videos, small, capsys):
    assert run(["reconstruct", "videos/a.mp4", *small]) == 0
    folder = Path("outputs/reconstruct/a")
    assert f"open in a browser: {folder / 'report.html'}" in capsys.readouterr().out
    with open_video(folder / "reconstruction/a.mp4.mp4") as reader:
        assert len(reader) == 9
    facts = json.loads((folder / "report/report.json").read_text())
    assert [clip["name"] for clip in facts["clips"]] == ["a.mp4"] and facts["baselines"] == [
        "linear_code",
        "average_pooling",
    ]
    assert facts["clips"][0]["latent"]["shape"] == [16, 2, 1, 2]


def test_files_and_folders_go_together_each_under_its_name(videos, small):
    words = ["reconstruct", "videos/deep", *small, "videos/a.mp4", "model.dtype=float32", "--output_path", "out"]
    assert run(words) == 0
    found = {str(path.relative_to("out/reconstruction")) for path in Path("out/reconstruction").rglob("*.mp4")}
    assert found == {"deep/c.mp4.mp4", "deep/d.gif.mp4", "a.mp4.mp4"}


def test_video_folder_takes_a_file_too_and_encode_names(videos, small):
    assert run(["encode", "--video_folder", "videos/a.mp4", *small, "--output_path", "by_flag"]) == 0
    assert run(["encode", "videos/a.mp4", *small]) == 0
    paths = [Path("by_flag/a.mp4.safetensors"), Path("outputs/encode/a/a.mp4.safetensors")]
    assert all(path.exists() for path in paths)


def test_evaluate_one_file_measures_it_and_shows_it(videos, small, capsys):
    assert run(["evaluate", "videos/a.mp4", *small, "--num_frames", "8"]) == 0
    shown, folder = capsys.readouterr().out, Path("outputs/evaluate/a")
    result = json.loads((folder / "evaluation.json").read_text())
    facts = json.loads((folder / "report/report.json").read_text())
    assert facts["table"][0]["figures"]["model"]["psnr"] == result["clips"][0]["psnr"]
    for baseline in result["baselines"]:
        assert facts["table"][0]["figures"][baseline["name"]]["psnr"] == baseline["clips"][0]["psnr"]
    by_frame = facts["clips"][0]["contestants"]["model"]["psnr"]
    assert len(by_frame) == 8 and sum(by_frame) / 8 == pytest.approx(result["clips"][0]["psnr"])
    assert f"open in a browser: {folder / 'report.html'}" in shown


def test_the_size_that_is_taken_is_said_only_where_nobody_asked_for_one(videos, weights, capsys):
    words = ["reconstruct", "videos/a.mp4", "--ckpt_path", str(weights / "0.safetensors")]
    assert run([*words, "dataset.size=8px"]) == 0
    assert (
        "a.mp4: 9 frames of 16x24 (height x width), taken at 8x16; --image_size 480px takes another"
        in capsys.readouterr().out
    )
    assert run([*words, "--image_size", "8,16"]) == 0
    assert "--image_size" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, videos, overrides",
    [
        (["a.mp4", "--model.dtype", "float16"], ["a.mp4"], ["model.dtype=float16"]),
        (["--model.dtype", "float16", "a.mp4", "b=c.mp4"], ["a.mp4", "b=c.mp4"], ["model.dtype=float16"]),
        (
            ["--image_size", "64", "a.mp4", "--num_frames", "8", "folder", "train.seed=3"],
            ["a.mp4", "folder"],
            ["train.seed=3"],
        ),
        (["train.seed=3"], [], ["train.seed=3"]),
        (["train.seed=3", "--", "-e.mp4"], ["-e.mp4"], ["train.seed=3"]),
    ],
)
def test_videos_are_told_from_keys_wherever_they_stand(words, videos, overrides, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    for name in ("a.mp4", "b=c.mp4", "-e.mp4"):
        Path(name).touch()
    options = parse(["reconstruct", *words])
    assert (options.videos, options.overrides) == (videos, overrides)


@pytest.mark.parametrize(
    "words, message",
    [
        (["nowhere.mp4"], "nowhere.mp4: no such file or folder"),
        (["a.mp4", "--csv_path", "c.csv"], "given twice, as a.mp4 and by --csv_path"),
        (["a.mp4", "--vidoe_folder", "x"], "unknown argument '--vidoe_folder'; did you mean '--video_folder'"),
        (["a.mp4", "modle.dtype=float16"], "modle"),
        (["--video_folder", "a.mp4", "--csv_path", "c.csv"], "dataset.folder is not a folder: a.mp4"),
    ],
)
def test_a_mistake_in_naming_videos_is_one_line(words, message, tmp_path, monkeypatch, capsys, weights):
    monkeypatch.chdir(tmp_path)
    Path("a.mp4").touch()
    Path("c.csv").write_text("video\na.mp4\n")
    assert run(["reconstruct", *words, "--ckpt_path", str(weights / "0.safetensors")]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line


def test_the_packages_own_weights_are_taken_where_no_model_is_named_and_that_is_said(
    videos, weights, monkeypatch, capsys
):
    monkeypatch.setattr(inference, "DEFAULT_WEIGHTS", str(weights / "1.safetensors"))
    for words in (["reconstruct"], ["evaluate", "--num_frames", "4"], ["encode"]):
        assert run([*words, "videos/deep/c.mp4", "--image_size", "8,16"]) == 0
        shown = capsys.readouterr().out
        assert (
            "no --ckpt_path is given; using the package's small weights "
            f"(--ckpt_path {weights / '1.safetensors'})" in shown
        )
    facts = json.loads(Path("outputs/reconstruct/c/report/report.json").read_text())
    assert facts["model"]["pretrained"] == str(weights / "1.safetensors")
