"""Model cards: the facts a new user needs, and measured figures only."""

import json

import pytest
import yaml

from mindone_tae.cli import run
from mindone_tae.weights.card import CARD, model_card, read_evaluation, write_card
from mindone_tae.zoo import UserError, load_recipe

EVALUATION = {
    "model": {"name": "tae"},
    "mean": {"psnr": 25.978, "ssim": 0.7512},
    "baselines": [{"name": "average_pooling", "mean": {"psnr": 21.09, "ssim": 0.5312}, "clips": []}],
    "clips": [{"path": "a.mp4", "frames": 8, "size": [64, 96]}, {"path": "b.mp4", "frames": 8, "size": [64, 96]}],
    "protocol": {"psnr": "of each frame, mean over frames", "ssim": "gaussian window"},
}
USE = "from mindone_tae import AutoencoderKLTAE"


def tables(card):
    """The cells of every table row."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in card.splitlines() if line.startswith("|")]


def test_figures_stand_beside_the_baselines_with_protocol_clips_and_sizes():
    card = model_card("mine", {}, USE, evaluation=EVALUATION)
    assert ["tae", "25.98", "0.7512"] in tables(card) and ["average_pooling", "21.09", "0.5312"] in tables(card)
    assert "on 2 clips of 8x64x96 (frames x height x width)" in card
    assert "- `psnr`: of each frame, mean over frames." in card and "- `ssim`: gaussian window." in card


def test_a_figure_that_was_not_finite_is_left_open():
    card = model_card("mine", {}, USE, evaluation={**EVALUATION, "mean": {"psnr": None, "ssim": 0.5}})
    assert ["tae", "-", "0.5"] in tables(card)


def test_what_nobody_told_or_measured_is_said_to_be_so():
    card = model_card("mine", {}, USE)
    assert "## Data\n\nNot told." in card and "## Figures\n\nNot measured" in card and "## Training" not in card


def test_the_networks_own_numbers_are_told():
    keywords = {"block_out_channels": (16, 32, 64), "latent_channels": 4, "scaling_factor": 0.9, "shift_factor": 0.1}
    card = model_card("mine", keywords, USE)
    assert "4x smaller in time and 4x4 in space, in 4 latent channels" in card and ["widths", "16, 32, 64"] in tables(
        card
    )
    assert "`scaling_factor` 0.9, `shift_factor` 0.1: these weights' own." in card
    assert "1.5305, `shift_factor` 0.0609: SD3.5's" in model_card("mine", {}, USE)


def test_hugging_face_can_read_its_front_matter():
    front, _, body = model_card("mine", {}, USE).removeprefix("---\n").partition("\n---\n")
    assert yaml.safe_load(front)["library_name"] == "mindone" and "# mine" in body


def test_a_card_written_by_hand_is_kept_and_an_earlier_one_replaced(tmp_path):
    assert write_card(tmp_path, model_card("first", {}, USE)) == tmp_path / CARD
    assert write_card(tmp_path, model_card("second", {}, USE)) == tmp_path / CARD
    assert "# second" in (tmp_path / CARD).read_text()
    (tmp_path / CARD).write_text("# by hand\n")
    assert write_card(tmp_path, model_card("third", {}, USE)) is None
    assert (tmp_path / CARD).read_text() == "# by hand\n"


def test_what_is_no_evaluation_is_refused(tmp_path):
    with pytest.raises(UserError, match="evaluation.json: it must be what `mindone-tae evaluate` writes"):
        read_evaluation(tmp_path)
    with pytest.raises(UserError, match="an evaluation lacks 'baselines'"):
        model_card("mine", {}, USE, evaluation={"model": {"name": "tae"}, "mean": {}})


@pytest.fixture
def trained(tmp_path):
    """A run's folder, as far as a card reads it."""
    folder = tmp_path / "my_run"
    (folder / "evaluation").mkdir(parents=True)
    overrides = ["dataset.csv_path=secret/place/clips.csv", "model.scaling_factor=0.75"]
    (folder / "config.yaml").write_text(load_recipe("tae/train/tiny_64x64x8", overrides=overrides).to_yaml())
    return folder


def test_the_command_tells_of_a_run(trained, capsys):
    assert run(["card", str(trained)]) == 0
    said = capsys.readouterr().out
    assert "nothing was measured: mindone-tae evaluate" in said and "--data TEXT" in said

    (trained / "evaluation/evaluation.json").write_text(json.dumps(EVALUATION))
    assert run(["card", str(trained), "--data", "My clips, CC0.", "--title", "Mine"]) == 0
    card = (trained / CARD).read_text()
    assert "# Mine" in card and "My clips, CC0." in card and ["tae", "25.98", "0.7512"] in tables(card)
    assert "`clips.csv`" in card and "secret" not in card
    loading = card.partition("```python\n")[2].partition("```")[0].splitlines()
    assert len(loading) == 3 and 'TemporalAutoencoder(pretrained="my_run", block_out_channels=' in loading[1]
    assert "scaling_factor=0.75" in loading[1]


def test_the_command_keeps_a_card_written_by_hand_and_knows_no_other_folder(trained, tmp_path, capsys):
    (trained / CARD).write_text("# by hand\n")
    assert run(["card", str(trained)]) == 2
    assert "was written by hand, and is kept" in capsys.readouterr().err
    assert run(["card", str(tmp_path)]) == 2
    assert "has no config.yaml" in capsys.readouterr().err
