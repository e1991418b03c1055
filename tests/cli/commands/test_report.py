"""`mindone-tae report`: pages of folders, of runs, of checkpoints, of several."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from mindone_tae.cli import run

pytestmark = pytest.mark.apart


def data_of(path):
    return json.loads(re.search(r'id="report">(.*?)</script>', Path(path).read_text(), re.DOTALL)[1])


@pytest.fixture
def trained(tmp_path, videos, weights):
    """A folder as a training run leaves it: recipe, figures, a checkpoint."""
    from mindone_tae.zoo import load_recipe

    pairs = [
        ("env.mode", 1),
        ("dataset.folder", "videos/deep"),
        ("dataset.size", [8, 16]),
        ("dataset.sample_n_frames", 3),
    ]
    architecture = [
        ("model.block_out_channels", [8, 8, 8, 8]),
        ("model.layers_per_block", 1),
        ("model.norm_num_groups", 4),
    ]
    recipe = load_recipe("tae/eval/default", [*pairs, *architecture])
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.yaml").write_text(recipe.to_yaml())
    lines = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}, {"step": 2, "eval": {"psnr": 20.0}}]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for step in range(2):
        (folder / f"checkpoints/step_{step:08d}").mkdir()
        shutil.copy(weights / f"{step}.safetensors", folder / f"checkpoints/step_{step:08d}/weights.safetensors")
    return folder


def test_a_run_is_evaluated_where_it_was_not_since_its_last_checkpoint(trained, capsys):
    assert run(["report", str(trained)]) == 0
    page = trained / "evaluation/report.html"
    assert f"open in a browser: {page}" in capsys.readouterr().out
    data = data_of(page)
    assert data["runs"][0]["curves"]["loss"]["values"] == [2.0, 1.0] and data["runs"][0]["curves"]["psnr"][
        "values"
    ] == [20.0]
    assert len(data["clips"]) == 2
    evaluation = trained / "evaluation/evaluation.json"
    before = evaluation.stat().st_mtime_ns
    assert run(["report", str(trained)]) == 0
    assert evaluation.stat().st_mtime_ns == before
    later = (trained / "evaluation/report/report.json").stat().st_mtime + 10
    os.utime(trained / "checkpoints/step_00000001/weights.safetensors", (later, later))
    assert run(["report", str(trained)]) == 0
    assert evaluation.stat().st_mtime_ns > before


def test_two_checkpoints_of_a_run_stand_side_by_side(trained, capsys):
    checkpoints = [
        str(trained / f"checkpoints/step_{step:08d}{end}") for step, end in enumerate(("", "/weights.safetensors"))
    ]
    assert run(["report", *checkpoints, "--output_path", "both.html"]) == 0
    data = data_of("both.html")
    assert [entry["label"] for entry in data["contestants"]][:2] == ["step_00000000", "step_00000001"]
    assert len(data["clips"]) == 2 and all(
        {"model0", "model1", "linear_code", "average_pooling"} == set(clip["figures"]) for clip in data["clips"]
    )
    assert data["runs"][0]["sha256"] != data["runs"][1]["sha256"]
    assert all(entry["curves"]["loss"]["values"] == [2.0, 1.0] for entry in data["runs"])


def test_what_another_command_left_is_shown_again_without_the_model(videos, weights, capsys, monkeypatch):
    words = ["--ckpt_path", str(weights / "0.safetensors"), "--image_size", "8,16", "--output_path", "out"]
    assert run(["reconstruct", "videos/deep/c.mp4", *words]) == 0
    first = Path("out/report.html").read_text()
    Path("out/report.html").unlink()
    assert run(["report", "out"]) == 0
    assert Path("out/report.html").read_text() == first


@pytest.mark.parametrize(
    "words, message",
    [
        (["nowhere"], "nowhere holds no report"),
        (["videos"], "videos holds no report"),
        (["videos", "--output_path", "a.pdf"], "end it in .html"),
    ],
)
def test_what_cannot_be_shown_is_told_in_one_line(words, message, videos, capsys):
    assert run(["report", *words]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line
