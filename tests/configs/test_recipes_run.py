"""Shipped recipes run in graph mode on a CPU, at tiny widths; training recipes for two steps.

One of each kind runs always, all of them with --exhaustive; `make recipes` runs all at their full widths.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mindone_tae.cli import flags
from mindone_tae.cli.parser import parse
from mindone_tae.zoo import load_recipe, recipe_names

TOOLS = Path(__file__).resolve().parents[2] / "tools"
sys.path.insert(0, str(TOOLS))
import check_recipes

NAMES = recipe_names()
# Training with an evaluation, latents of a folder. Two ranks are in test_many_cards.py, LPIPS in test_tae_loss.py.
OF_EACH_KIND = {"tae/train/tiny_64x64x8", "tae/infer/default"}
NARROW = ["model.block_out_channels=[8,8,8,8]", "model.norm_num_groups=4", "model.layers_per_block=1"]
# Keys that a run may change: the device, the type, sizes, the number of steps, and paths; eval inherits the dataset's.
CHANGED = {
    "env.device_target",
    *(f"model.{key}" for key in ("dtype", "block_out_channels", "norm_num_groups", "layers_per_block", "pretrained")),
    *(f"dataset.{key}" for key in ("size", "sample_n_frames", "mixed_lengths", "csv_path", "folder")),
    "loss.lpips_path",
    *(f"train.{key}" for key in ("steps", "epochs", "save_every", "log_every")),
}
# Frames of the two steps, by the recipe's name: of an image 1, of a video any length up to the longest.
VIDEOS = [{2, 4}, {2, 4}]
STEPS = {
    "tae/train/image_256x256": [{1}, {1}],
    "tae/train/mixed_256x256x16": [{4}, {1}],
    "tae/train/tiny_image_vae": [{1}, {1}],
    "tae/train/mixed_length_256x256x32": [{2, 4}, {1}],
}


def flat(tree, above=""):
    """Dotted keys and their values."""
    found = {}
    for key, value in tree.items():
        found.update(flat(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value})
    return found


@pytest.fixture(scope="module")
def told(request, tmp_path_factory):
    """What tools/check_recipes.py says of each recipe that runs, by name, and at its end."""
    names = NAMES if request.config.option.exhaustive else sorted(OF_EACH_KIND)
    command = [sys.executable, str(TOOLS / "check_recipes.py"), *names, *NARROW]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path_factory.mktemp("recipes")
    )
    by_name = dict(re.findall(r"^(tae/\S+) +\d+ s  (.+)$", done.stdout, re.MULTILINE))
    assert by_name.keys() == set(names), done.stdout
    return {**by_name, "": done.stdout.strip().splitlines()[-1]}


@pytest.mark.apart
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in OF_EACH_KIND else pytest.mark.exhaustive) for name in NAMES]
)
def test_a_recipe_runs_and_gives_values_that_its_first_steps_can_have(name, told):
    if name.startswith("tae/infer/"):
        assert told[name] == "1 latents"
        return
    recipe = load_recipe(name)
    if name.startswith("tae/eval/") or recipe.train.eval_every:
        # a network whose output is near zero has the clip itself as error: 10.8 dB if its pixels are uniform in
        # [-1, 1], 6 if all are black or white
        assert 6 < float(re.search(r"psnr ([\d.]+)$", told[name])[1]) < 16
    if name.startswith("tae/train/"):
        found = re.match(r"losses ([\d.]+) and ([\d.]+) \((\S+), (\S+)\)", told[name])
        # and by about half of the range, summed over 3 x 32 x 32
        # of each pixel where the loss is a mean; a mean of squares is a third for pixels uniform in [-1, 1]
        pixels = 3 * 32 * 32 if recipe.loss.get("reduction", "frame_sum") == "frame_sum" else 1
        assert all(0.1 < float(loss) / pixels < 1 for loss in found.groups()[:2])
        shapes = [[int(side) for side in shape.split("x")] for shape in found.groups()[2:]]
        assert all(shape[0] == recipe.train.batch_size and shape[3:] == [32, 32] for shape in shapes)
        assert all(shape[2] in frames for shape, frames in zip(shapes, STEPS.get(name, VIDEOS)))


@pytest.mark.apart
def test_all_of_them_run(told):
    number = len(told) - 1
    assert told[""] == f"{number} of {number} recipes ran"


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_changed_for_it_but_device_type_sizes_steps_and_paths(name):
    options = parse([*check_recipes.words_of(name, Path("clips"), Path("weights")), *NARROW])
    overrides = flags.data_overrides(options) + flags.model_overrides(options) + options.overrides
    shipped, run = (flat(yaml.safe_load(load_recipe(name, changes).to_yaml())) for changes in ([], overrides))
    assert {
        key.removeprefix("eval.") for key in shipped.keys() | run.keys() if shipped.get(key) != run.get(key)
    } <= CHANGED
    assert run["env.mode"] == 0 and (run["train.steps"] == 2 or "/train/" not in name)
