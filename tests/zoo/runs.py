"""Shared by tests of runs: one run of a recipe, and its files."""

import json

from mindone_tae.zoo import Trainer, load_recipe


def train(recipe_path, folder, *overrides, resume=False):
    return Trainer(load_recipe(recipe_path, overrides), folder, resume=resume).run()


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
