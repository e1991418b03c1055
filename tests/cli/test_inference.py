"""The mode of a command that runs a model without training, on a CPU."""

from argparse import Namespace

import pytest

from mindone_tae.cli.flags import WHOLE_CLIPS
from mindone_tae.cli.inference import load
from mindone_tae.zoo.recipe.files import find_recipe

DEFAULT = find_recipe("tae/infer/default").read_text(encoding="utf-8")


def mode(config, *overrides):
    return load(
        Namespace(ckpt_path=None, config=config and str(config), overrides=[*overrides]), [], "tae/infer/default"
    ).env.mode


@pytest.mark.parametrize("config", [None, "tae/infer/default", find_recipe("tae/infer/default")])
def test_a_shipped_recipe_runs_in_pynative_mode_unless_the_command_line_says_otherwise(config):
    assert mode(config) == 1 and mode(config, "env.mode=0") == 0


def test_a_users_own_recipe_means_the_mode_that_it_states(tmp_path):
    stated, silent = tmp_path / "stated.yaml", tmp_path / "silent.yaml"
    stated.write_text(DEFAULT)
    silent.write_text(DEFAULT.replace("  mode: 0\n", ""))
    assert mode(stated) == 0 and mode(stated, "env.mode=1") == 1 and mode(silent) == 1


def test_a_runs_recipe_which_states_every_key_runs_in_pynative_mode(tmp_path):
    (tmp_path / "config.yaml").write_text(DEFAULT)
    (tmp_path / "environment.json").write_text("{}")
    assert mode(tmp_path / "config.yaml") == 1


FOREIGN = """
class Clips:
    def __init__(self, folder: str = ".", random_flip: bool = True):
        self.folder = folder
"""


def test_a_dataset_of_somebody_else_is_asked_only_for_what_it_takes(tmp_path, monkeypatch, caplog):
    info = tmp_path / "others-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mindone.datasets]\nothers_clips = others_clips:Clips\n")
    (tmp_path / "others_clips.py").write_text(FOREIGN)
    monkeypatch.syspath_prepend(str(tmp_path))
    config = tmp_path / "config.yaml"
    config.write_text(
        "env: {mode: 1, device_target: CPU}\nmodel: {name: tae}\ndataset: {name: others_clips}\ntrain: {steps: 1}\n"
    )
    options = Namespace(ckpt_path=None, config=str(config), overrides=[])
    found = load(options, [("dataset.folder", "here")], "tae/infer/default", WHOLE_CLIPS).dataset
    assert dict(found) == {"name": "others_clips", "folder": "here", "random_flip": False}
    assert "dataset 'others_clips' takes no sample_n_frames, deterministic_sample, random_crop" in caplog.text


def test_our_own_dataset_is_given_whole_whatever_the_recipe_says(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(
        "env: {device_target: CPU}\nmodel: {name: tae}\ntrain: {steps: 1}\n"
        "dataset: {name: tae_video, folder: here, clips_per_video: 2, check_files: false}\n"
    )
    options = Namespace(ckpt_path=None, config=str(config), overrides=[])
    found = load(options, [("dataset.sample_n_frames", 9)], "tae/infer/default", WHOLE_CLIPS).dataset
    assert found["sample_n_frames"] == 9 and found["deterministic_sample"] is True and found["random_flip"] is False
    assert (found["clips_per_video"], found["check_files"]) == (1, True)


def test_clips_that_a_command_names_are_not_those_of_the_runs_manifest(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text(
        "env: {device_target: CPU}\nmodel: {name: tae}\ntrain: {steps: 1}\n"
        "dataset: {name: tae_video, folder: here, manifest_path: checked/manifest.csv}\n"
    )

    def manifests(pairs, *overrides, config=None):
        recipe = load(Namespace(ckpt_path=str(run), config=config, overrides=[*overrides]), pairs, "tae/infer/default")
        return recipe.dataset["manifest_path"], recipe.eval.dataset["manifest_path"]

    theirs = "checked/manifest.csv"
    assert manifests([]) == (theirs, theirs)
    assert manifests([("dataset.folder", "other")])[0] is None
    assert manifests([("eval.dataset.csv_path", "test.csv")]) == (theirs, None)
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config + "eval: {dataset: {name: tae_latents, folder: latents}}\n")
    other = load(Namespace(ckpt_path=str(run), config=None, overrides=[]), [("eval.dataset.folder", "new")], "")
    assert other.eval.dataset["folder"] == "new" and "manifest_path" not in other.eval.dataset
    (run / "config.yaml").write_text(config)
    given = "dataset.manifest_path=other.csv"
    assert manifests([("dataset.folder", "other")], given)[0] == "other.csv"
    assert manifests([("dataset.folder", "other")], config=str(run / "config.yaml"))[0] == theirs
