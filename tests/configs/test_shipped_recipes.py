"""Every shipped recipe is what its comment says, and the commands in the comment can be parsed."""

import re
import shlex
from pathlib import Path

import pytest

from mindone_tae.cli import flags
from mindone_tae.cli.parser import parse
from mindone_tae.zoo import load_recipe, recipe_names
from mindone_tae.zoo.recipe.yaml_marks import parse as parse_yaml

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
NAMES = recipe_names()
ON_ASCEND = [name for name in NAMES if load_recipe(name).env.device_target == "Ascend"]
TRAINED_ON_ASCEND = [name for name in ON_ASCEND if "/train/" in name]


def text_of(name):
    return (CONFIGS / f"{name}.yaml").read_text(encoding="utf-8")


def comment_of(name):
    """The comment that a recipe opens with, without its marks."""
    lines = []
    for line in text_of(name).splitlines():
        if not line.startswith("#"):
            break
        lines.append(line[1:].removeprefix(" "))
    return "\n".join(lines)


def commands_of(name):
    """The words of each mindone-tae command in that comment."""
    joined = comment_of(name).replace("\\\n", " ")
    found = []
    for line in joined.splitlines():
        match = re.match(r"\s+(?:msrun\s.*?)?(?:python -m mindone_tae|mindone-tae) (.*)", line)
        if match and "..." not in match[1] and "--help" not in match[1]:
            found.append(shlex.split(match[1], comments=True))
    return found


def raw(name):
    tree, problems = parse_yaml(text_of(name), name)
    assert not problems
    return tree


def test_there_is_a_recipe_for_every_purpose():
    purposes = ["image", "mixed", "mixed_length", "finetune", "8cards"]
    assert all(any(purpose in name for name in TRAINED_ON_ASCEND) for purpose in purposes)
    assert {"tae/eval/exact_256x256x16", "tae/infer/encode_corpus"} <= set(ON_ASCEND)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_opens_with_what_for_its_command_what_it_needs_and_what_to_expect(name):
    comment = comment_of(name)
    assert len(comment.splitlines()[0]) > 30
    assert commands_of(name) and "Needs: " in comment and "Expect: " in comment
    # a recipe of its own is started by its own name; the default ones are taken without a name
    if not name.endswith("/default"):
        assert any(f"--config {name}" in " ".join(words) for words in commands_of(name))


@pytest.mark.parametrize("name", NAMES)
def test_the_commands_that_a_recipe_opens_with_are_understood(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my.mp4").touch()  # videos that are named must be there
    for words in commands_of(name):
        options = parse(words)
        if getattr(options, "config", None):
            pairs = flags.data_overrides(options) + flags.model_overrides(options)
            assert load_recipe(options.config, pairs + options.overrides).model["name"] == (
                "sd3_vae" if "image_vae" in name else "tae"
            )


@pytest.mark.parametrize("name", NAMES)
def test_figures_are_marked_as_published_or_as_measured(name):
    expected = " ".join(comment_of(name).partition("Expect: ")[2].split())
    if re.search(r"\d (dB|s a step)", expected):
        assert re.search(r"[Pp]ublished|\(measured", expected)
    if name in ON_ASCEND:
        assert re.search(r"[Nn]ot(hing of it was)? measured", expected)


@pytest.mark.parametrize("name", ON_ASCEND)
def test_a_recipe_for_ascend_says_how_it_is_computed(name):
    env, model, dataset = (raw(name)[section] for section in ("env", "model", "dataset"))
    assert env["mode"] == 0
    reasons = re.search(r"jit_level: (O[012]) +# .{20,}", text_of(name))
    assert reasons and reasons[1] == env["jit_level"]
    assert re.search(r"mode: 0 +# graph; .*static shape", text_of(name))
    assert "dtype" in model and len(dataset["size"]) == 2
    assert "8 cards" in comment_of(name) and "msrun" in comment_of(name)


@pytest.mark.parametrize("name", TRAINED_ON_ASCEND)
def test_a_training_recipe_for_ascend_says_what_may_not_be_left_to_chance(name):
    comment, tree = " ".join(comment_of(name).split()), raw(name)
    for told in ("MS_ASCEND_CHECK_OVERFLOW_MODE=INFNAN_MODE", "Sink mode is off"):
        assert told in comment
    assert "use_recompute" in tree["model"] and "loss_scale" in tree["train"] and tree["dataset"]["sample_n_frames"] > 0
    if tree["model"]["dtype"] == "bfloat16":
        assert all(island in text_of(name) for island in ("norms", "softmax", "resampling"))


def test_the_exact_evaluation_leaves_no_type_to_the_device():
    env = load_recipe("tae/eval/exact_256x256x16").env
    assert (env.conv_allow_hf32, env.precision_mode, env.deterministic) == (False, "must_keep_origin_dtype", True)
