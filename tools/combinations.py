"""Trains every pair of training features together on this machine's CPU, and resumes each run to the same bits.

    python tools/combinations.py                      # all rows; about a minute each
    python tools/combinations.py --rows 0,3           # some of them
    python tools/combinations.py --row mode=pynative,ema=on    # a row of your own; other features at their first level
    python tools/combinations.py --list               # list the rows only

A row is a training run of a small TAE with one level of each feature. The rows hold every pair of levels at least once,
the combinations of the training recipes, and those that once failed. Each trains two steps, of both shapes where it has
two, is cut back to the first and resumed; the weights, moving averages and optimizer states must be equal bit for bit,
and finite. Exit status 0 where all are, 1 otherwise.
"""

import argparse
import importlib
import itertools
import math
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from check_recipes import HEAVY, SAMPLE_CLIPS, forked, make_weights, on_two_ranks
from safetensors.numpy import load_file

from mindone_tae.zoo import Trainer, load_recipe, recipe_names, registry
from mindone_tae.zoo.training.batches import BatchLoader

RECIPE = "tae/train/tiny_64x64x8"
SMALL = [
    "dataset.size=[16,16]",
    "dataset.sample_n_frames=4",
    "train.steps=2",
    "train.save_every=1",
    "eval.picture_clips=0",
    "eval.baseline=null",
]
SMALL += [
    "model.block_out_channels=[8,8]",
    "model.norm_num_groups=4",
    "dataset.mixed_strategy=null",
    "eval.max_clips=1",
]
# Feature: level to overrides. LPIPS stands for the path of its weights.
FEATURES = {
    "mode": {"graph": ["env.mode=0"], "pynative": ["env.mode=1"]},
    "ema": {"off": [], "on": ["train.ema_decay=0.9"]},
    "accumulation": {"off": [], "on": ["train.gradient_accumulation_steps=2"]},
    "shapes": {
        "one": [],
        "images": ["dataset.mixed_strategy=mixed_video_image", "dataset.mixed_image_ratio=0.5"],
        "lengths": [
            "dataset.mixed_strategy=mixed_video_random",
            "dataset.mixed_lengths=[4, 2]",
            "eval.dataset.mixed_lengths=null",
        ],
    },
    "discriminator": {
        "off": [],
        "2d": ["discriminator={name: patchgan_2d, width: 4, layers: 1}"],
        "3d": ["discriminator={name: patchgan_3d, width: 4, layers: 1}"],
    },
    "recompute": {"off": [], "on": ["model.use_recompute=true"]},
    "lpips": {"off": [], "on": ["loss.perceptual_weight=1.0", "loss.lpips_path=LPIPS"]},
    "dtype": {
        "float32": [],
        "float16": ["model.dtype=float16", "train.dynamic_loss_scale=true", "train.loss_scale=1024"],
    },
    "clipping": {"on": [], "off": ["train.clip_norm=null"]},
    "ranks": {"1": [], "2": ["env.distributed=true"]},
    "evaluation": {"off": [], "on": ["train.eval_every=1", "train.keep_best=psnr"]},
}
# "The pointer[manager] is null", 4 times of 4, as long as gradients and update were one graph.
FAILED = [{"mode": "graph", "ema": "on", "accumulation": "on", "shapes": shapes} for shapes in ("lengths", "images")]


def completed(levels):
    """A row with its first level of every feature that it does not name."""
    return {feature: levels.get(feature, next(iter(FEATURES[feature]))) for feature in FEATURES}


def row_of(text):
    """The row of "mode=pynative,ema=on"."""
    levels = dict(word.partition("=")[::2] for word in text.split(","))
    for feature, level in levels.items():
        if level not in FEATURES.get(feature, ()):
            raise SystemExit(f"{feature}={level} is no level of a feature: see --list")
    return completed(levels)


def of_recipe(recipe):
    """The levels that a training recipe combines, in graph mode on one rank."""
    dataset, loss = recipe.dataset, recipe.loss
    shapes = "lengths" if dataset.get("mixed_lengths") else "one"
    return completed(
        {
            "ema": "on" if recipe.train.ema_decay else "off",
            "accumulation": "on" if recipe.train.gradient_accumulation_steps > 1 else "off",
            "shapes": "images" if dataset.get("mixed_strategy") == "mixed_video_image" else shapes,
            "recompute": "on" if recipe.model.get("use_recompute") else "off",
            "lpips": "on" if loss.get("perceptual_weight") else "off",
            "ranks": "2" if recipe.env.distributed else "1",
            "evaluation": "on" if recipe.train.eval_every else "off",
        }
    )


def pairs(row):
    """The pairs of (feature, level) of a row."""
    return set(itertools.combinations(row.items(), 2))


def rows():
    """Rows that hold every pair of levels, the recipes' combinations and what once failed among them."""
    chosen = [completed(levels) for levels in FAILED]
    chosen += [of_recipe(load_recipe(name)) for name in recipe_names() if name.split("/")[1] == "train"]
    chosen = [row for i, row in enumerate(chosen) if row not in chosen[:i]]
    levels = [[(feature, level) for level in FEATURES[feature]] for feature in FEATURES]
    open_pairs = {pair for a, b in itertools.combinations(levels, 2) for pair in itertools.product(a, b)}
    for row in chosen:
        open_pairs -= pairs(row)
    while open_pairs:
        row = dict(min(open_pairs))
        for feature in FEATURES:  # the level that closes most pairs with what stands already
            if feature not in row:
                gain = {level: _closed({**row, feature: level}, open_pairs) for level in FEATURES[feature]}
                row[feature] = max(gain, key=gain.get)
        chosen.append(completed(row))
        open_pairs -= pairs(chosen[-1])
    return chosen


def _closed(row, open_pairs):
    ordered = {feature: row[feature] for feature in FEATURES if feature in row}
    return len(pairs(ordered) & open_pairs)


def overrides_of(row, clips, lpips):
    """The overrides of a row: clips is a folder with train.csv, lpips a file."""
    own = [override for feature, level in row.items() for override in FEATURES[feature][level]]
    data = [
        f"dataset.csv_path={clips / 'train.csv'}",
        f"dataset.folder={clips}",
        f"eval.dataset.csv_path={clips / 'test.csv'}",
    ]
    return [*SMALL, *data, *(override.replace("LPIPS", str(lpips)) for override in own)]


def seed_of_both_shapes(overrides):
    """A seed by which the two steps have both shapes."""
    recipe = load_recipe(RECIPE, overrides)
    dataset = registry.build("mindone.datasets", recipe.dataset)
    batches = 2 * recipe.train.gradient_accumulation_steps
    for seed in range(1000):
        loader = BatchLoader(dataset, 1, seed)
        if len({loader.batch(step)[0].shape for step in range(batches)}) > 1:
            return seed
    raise SystemExit("no seed gives both shapes")


def run(row, clips, lpips, folder):
    """Trains one row, cuts it back and resumes it.

    Args:
        row: feature to level.
        clips, lpips: as `overrides_of` takes them.
        folder: a new one.

    Returns:
        What went wrong, a line; empty where nothing did.
    """
    folder.mkdir(parents=True)
    overrides = overrides_of(row, clips, lpips)
    with open(folder / "said.txt", "w", encoding="utf-8") as said:
        if row["shapes"] != "one":
            note = folder / "seed"
            if forked(lambda: note.write_text(str(seed_of_both_shapes(overrides))), folder, said):
                return f"no seed: see {folder / 'said.txt'}"
            overrides.append(f"train.seed={note.read_text()}")
        for name in ("whole", "cut"):
            if name == "cut":
                shutil.copytree(folder / "whole", folder / "cut")
                shutil.rmtree(folder / "cut/checkpoints/step_00000002")
            if row["ranks"] == "2":
                words = ["train", "--config", RECIPE, "--output_path", name, "--resume", *overrides]
                status = on_two_ranks(words, folder, said)
            else:
                status = forked(lambda: Trainer(load_recipe(RECIPE, overrides), name, resume=True).run(), folder, said)
            if status:
                last = (folder / "said.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
                return f"{name}: status {status}: {' / '.join(last)}"
    return differences(folder / "whole", folder / "cut")


def differences(whole, cut, step="step_00000002"):
    """What differs between a step's checkpoints of two runs, or is not finite; empty where nothing does."""
    found = []
    first, second = (
        {path.name: load_file(path) for path in sorted((run / "checkpoints" / step).iterdir())} for run in (whole, cut)
    )
    if first.keys() != second.keys():
        found.append(f"files {sorted(first)} and {sorted(second)}")
    for file in first.keys() & second.keys():
        found += [
            f"{file}: {name} differs"
            for name, array in first[file].items()
            if array.tobytes() != second[file][name].tobytes()
        ]
        found += [
            f"{file}: {name} is not finite" for name, array in first[file].items() if not np.isfinite(array).all()
        ]
    return "; ".join(found[:3])


def shown(row):
    """The levels of a row that are not the first of their feature."""
    return (
        " ".join(f"{feature}={level}" for feature, level in row.items() if level != next(iter(FEATURES[feature])))
        or "nothing"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", help="numbers with commas; all unless given")
    parser.add_argument("--row", help="feature=level with commas, in place of the table's rows")
    parser.add_argument("--list", action="store_true", help="show the rows and run none")
    options = parser.parse_args()
    table = [row_of(options.row)] if options.row else rows()
    numbers = [int(number) for number in options.rows.split(",")] if options.rows else range(len(table))
    if options.list:
        print("\n".join(f"{number:3} {shown(table[number])}" for number in numbers))
        return
    for module in HEAVY:
        importlib.import_module(module)
    from mindone_tae.data import make_sample_clips

    failed = []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        make_sample_clips(folder / "clips", **SAMPLE_CLIPS)
        if forked(
            lambda: make_weights(folder, ["model.block_out_channels=[8,8]", "model.norm_num_groups=4"]),
            folder,
            sys.stderr,
        ):
            raise SystemExit("the weights cannot be made: see above")
        for number in numbers:
            started = time.monotonic()
            wrong = run(table[number], folder / "clips", folder / "lpips.safetensors", folder / str(number))
            failed += [number] if wrong else []
            seconds = math.ceil(time.monotonic() - started)
            print(
                f"{number:3} {seconds:4} s  {'FAILS' if wrong else 'same bits'}  {shown(table[number])}  {wrong}",
                flush=True,
            )
            shutil.rmtree(folder / str(number))
    print(f"{len(numbers) - len(failed)} of {len(numbers)} combinations train and resume to the same bits")
    sys.stdout.flush()
    os._exit(1 if failed else 0)  # MindSpore's own teardown at times aborts a finished process


if __name__ == "__main__":
    main()
