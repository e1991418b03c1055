"""The mode of a command that runs a model without training, on a CPU."""

from argparse import Namespace

import pytest

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
