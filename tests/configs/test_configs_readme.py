"""configs/README.md explains every key there is, and what it says of the optimizers is so."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

import mindspore as ms
from mindone.trainers import create_optimizer

from mindone_tae.zoo import recipe_names
from mindone_tae.zoo.recipe.check import _FUNCTIONS
from mindone_tae.zoo.recipe.schema import SECTIONS
from mindone_tae.zoo.registry import entry_point
from mindone_tae.zoo.signatures.signature import read_signature, signature_of

README = (Path(__file__).resolve().parents[2] / "configs/README.md").read_text(encoding="utf-8")
COMPONENTS = {
    "model": ("mindone.models", "tae"),
    "dataset": ("mindone.datasets", "tae_video"),
    "loss": ("mindone.losses", "tae_loss"),
}


def part_of(section):
    """What README says under a section's heading."""
    return re.search(rf"^## (?:[\w ,]*\b)?{section}\b.*?(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)[0]


def explained(section):
    """The keys in the first column of a section's table."""
    cells = [line.split("|")[1] for line in part_of(section).splitlines() if line.startswith("|")]
    return {key.split(".")[-1] for cell in cells for key in re.findall(r"`([\w.]+)`", cell)}


def keys_of(section):
    if section in SECTIONS:
        return {keyword.name for keyword in signature_of(SECTIONS[section]).keywords}
    if section in COMPONENTS:
        group, name = COMPONENTS[section]
        return {keyword.name for keyword in read_signature(entry_point(group, name).value).keywords}
    function, _, _, hosts_own, _ = _FUNCTIONS[section]
    return {keyword.name for keyword in read_signature(function).without(hosts_own).keywords}


@pytest.mark.parametrize("section", [*SECTIONS, *COMPONENTS, "optimizer", "scheduler"])
def test_every_key_of_a_section_is_explained_there_and_no_other(section):
    told, known = explained(section), keys_of(section)
    assert known <= told, f"not explained: {sorted(known - told)}"
    if section not in ("optimizer", "scheduler"):  # these share a table
        assert told <= known | {"name"}, f"no such keys: {sorted(told - known)}"


def test_every_recipe_is_listed():
    assert all(f"`{name}`" in README for name in recipe_names())


def test_every_key_that_the_advice_names_is_a_key():
    advice = README[README.index("## What to change") : README.index("## env")]
    for section, key in re.findall(r"`(env|model|dataset|loader|loss|optimizer|scheduler|train|eval)\.(\w+)", advice):
        assert key in keys_of(section) | {"name"}, f"{section}.{key}"


@pytest.mark.parametrize("section", SECTIONS)
def test_the_defaults_that_are_told_are_those_that_are_taken(section):
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in part_of(section).splitlines()
        if line.startswith("| `")
    ]
    for keys, told, *_ in rows:
        names = re.findall(r"`(\w+)`", keys)
        values = [getattr(SECTIONS[section](), name) for name in names]
        # as YAML reads it; a list holds commas of its own
        given = [yaml.safe_load(told)] if len(names) == 1 else [yaml.safe_load(part) for part in told.split(",")]
        assert given == values, keys


@pytest.mark.parametrize("name, eps_is_corrected", [("adam", False), ("adamw_re", True)])
def test_without_weight_decay_both_adams_differ_only_in_where_eps_stands(name, eps_is_corrected):
    rate, (beta1, beta2), eps, steps = 1e-3, (0.9, 0.999), 1e-4, 12
    gradients = np.random.default_rng(0).standard_normal((steps, 4, 8)).astype(np.float32) * [
        [1e-4],
        [1e-3],
        [1e-2],
        [1],
    ]
    weight = ms.Parameter(ms.Tensor(np.zeros((4, 8), np.float32)), name="weight")
    optimizer = create_optimizer([weight], name=name, lr=rate, betas=[beta1, beta2], eps=eps, weight_decay=0.0)
    m = v = expected = np.zeros((4, 8))
    for step, gradient in enumerate(gradients, 1):
        optimizer((ms.Tensor(gradient.astype(np.float32)),))
        m, v = beta1 * m + (1 - beta1) * gradient, beta2 * v + (1 - beta2) * gradient**2
        correction = np.sqrt(1 - beta2**step)
        root = np.sqrt(v) / correction + (eps if eps_is_corrected else eps / correction)
        expected = expected - rate * m / (1 - beta1**step) / root
    np.testing.assert_allclose(weight.asnumpy(), expected, rtol=1e-4)
