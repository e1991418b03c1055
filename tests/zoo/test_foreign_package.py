"""Another package's model and dataset are trained and evaluated by tools that have never heard of them."""

import json
from pathlib import Path

import pytest

import mindone_tae


@pytest.mark.apart
def test_it_is_trained_and_evaluated_by_the_command(forked_commands, foreign_folder, foreign_recipe, tmp_path):
    def run(*words):
        process = forked_commands.start(words, cwd=tmp_path, path=[foreign_folder])
        out, err = process.communicate()
        assert process.returncode == 0, err
        return out

    listed = run("list")
    assert "foreign_scale" in listed and "foreign_noise" in listed

    run("train", "--config", foreign_recipe, "--output_path", "run")
    losses = [json.loads(line)["loss"] for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert len(losses) == 8 and losses[-1] < losses[0]

    psnr = {}
    for name, words in (("new", ["--config", foreign_recipe]), ("trained", ["--ckpt_path", "run"])):
        run("evaluate", *words, "--output_path", name)
        psnr[name] = json.loads((tmp_path / name / "evaluation.json").read_text())["mean"]["psnr"]
    # the new model gives zeros for uniform noise on [-1, 1]: in [0, 1] a mean squared error of 1/12
    assert abs(psnr["new"] - 10.79) < 0.3
    assert psnr["trained"] > psnr["new"] + 1


def test_no_line_of_this_package_names_it():
    sources = Path(mindone_tae.__file__).parent.rglob("*.py")
    assert not [path for path in sources if "foreign" in path.read_text()]
