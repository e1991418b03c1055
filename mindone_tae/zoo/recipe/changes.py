"""Differences between a recipe and that of a run's last session."""

from ..errors import UserError
from .yaml_marks import parse


def recipe_changes(before: str, now: str) -> list[str]:
    """The keys whose values differ.

    Args:
        before, now: texts of resolved recipes (config.yaml).

    Returns:
        Texts "train.steps: 300 -> 600" in the new recipe's order, then keys that are gone. A missing key counts as
        null: a newer version of the package may know more keys.

    Raises:
        UserError: one is no YAML, or holds no sections.
    """
    trees = [parse(text, "config.yaml")[0] for text in (before, now)]
    if not all(isinstance(tree, dict) for tree in trees):
        raise UserError("it holds no sections: a run writes it again")
    return section_changes(*trees)


def section_changes(before: dict, now: dict, prefix: str = "") -> list[str]:
    """`recipe_changes` of two parsed mappings; prefix: their dotted path in the recipe."""
    old, new = _flat(before, prefix), _flat(now, prefix)
    keys = [*new, *(key for key in old if key not in new)]
    return [f"{key}: {_shown(old, key)} -> {_shown(new, key)}" for key in keys if old.get(key) != new.get(key)]


def _flat(tree, prefix=""):
    """Dotted path to value; lists are values."""
    if not isinstance(tree, dict):
        return {prefix: tree}
    return {
        key: value
        for name, inner in tree.items()
        for key, value in _flat(inner, f"{prefix}.{name}" if prefix else str(name)).items()
    }


def _shown(tree, key):
    value = tree.get(key)
    return value if value is not None else "null" if key in tree else "not set"
