"""Keys set on the command line by their dotted path: train.steps=10."""

from collections.abc import Iterable
from typing import Any

from ..errors import UserError
from ..printable import shown
from .yaml_marks import COMMAND_LINE, Mark, MarkedDict, Problem, parse

_HERE = Mark(COMMAND_LINE)
# Alternatives: one given on the command line displaces the other in the file.
_DISPLACES = {"train.steps": "epochs", "train.epochs": "steps"}


def apply_overrides(tree: MarkedDict, overrides: Iterable[str | tuple[str, Any]]) -> list[Problem]:
    """Sets keys in a parsed recipe, creating missing mappings on the way.

    Whether a key is valid is checked later, together with the file's own keys.

    Args:
        tree: MarkedDict, changed in place.
        overrides: texts "dotted.path=value", the value in YAML; or (dotted path, value) pairs, the value as it is.

    Returns:
        A list of Problem.
    """
    problems = []
    for override in overrides:
        try:
            dotted, value, found = _split(override)
            problems += found or _set(tree, dotted.split("."), value)
            other, train = _DISPLACES.get(dotted), tree.get("train")
            if other and value is not None and isinstance(train, MarkedDict) and train.marks.get(other, _HERE) != _HERE:
                train[other] = None
        except UserError as error:
            problems.append(Problem(_HERE, "", str(error)))
    return problems


def _split(override):
    """Dotted path, value, problems."""
    if not isinstance(override, str):
        return *override, []
    dotted, sign, text = override.partition("=")
    dotted = dotted.strip()
    if not sign or not all(dotted.split(".")):
        raise UserError(f"{shown(override)} sets nothing: write section.key=value, such as train.steps=10")
    try:
        value, problems = parse(text, COMMAND_LINE)
    except UserError as error:
        raise UserError(
            f"{dotted}: value {shown(text)} is {str(error).removeprefix(f'{COMMAND_LINE}: ')}; put it in quotes"
        ) from None
    return dotted, value, [Problem(_HERE, dotted, problem.text) for problem in problems]


def _set(tree, parts, value):
    mapping = tree
    for depth, part in enumerate(parts[:-1], 1):
        inner = mapping.get(part)
        if inner is None:
            inner = MarkedDict(mark=_HERE)
            mapping.marks[part] = _HERE
        if not isinstance(inner, MarkedDict):
            held, whole = ".".join(parts[:depth]), ".".join(parts)
            return [Problem(_HERE, whole, f"{held} holds {shown(inner)}, which has no keys: set {held} itself")]
        # A copy: by YAML's anchors the same mapping may also be used elsewhere.
        mapping[part] = inner = MarkedDict(inner, inner.mark, inner.marks)
        mapping = inner
    mapping[parts[-1]] = value
    mapping.marks[parts[-1]] = _HERE
    return []
