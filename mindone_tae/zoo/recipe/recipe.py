"""Recipes: a YAML file read, overridden, checked and resolved, before anything heavy is imported."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UserError, listed
from ..registry import names
from .check import COMPONENTS, SECTION_NAMES, RecipeCheck
from .files import find_recipe, read_recipe, recipe_names
from .overrides import apply_overrides
from .schema import SECTIONS, Adversarial, Env, Eval, Loader, Train
from .yaml_marks import Mark, MarkedDict, dump, parse

__all__ = ["Recipe", "load_recipe", "recipe_names"]


@dataclass(frozen=True)
class Recipe:
    """A checked recipe, every default filled in.

    Attributes:
        env, loader, adversarial, train, eval: what the host reads, see `schema`.
        model, dataset, loss, discriminator: components, {"name": ..., **keywords}, for `registry.build`; the last two
            may be None.
        optimizer: keywords of mindone's create_optimizer, without params and lr.
        scheduler: keywords of mindone's create_scheduler, without the numbers of steps and epochs.
        path: the file it was read from.
    """

    env: Env
    model: dict
    dataset: dict
    loader: Loader
    loss: "dict | None"
    discriminator: "dict | None"
    adversarial: Adversarial
    optimizer: dict
    scheduler: dict
    train: Train
    eval: Eval
    path: Path = field(compare=False)

    def to_yaml(self) -> str:
        """The resolved recipe as YAML text; load_recipe reads it back as an equal Recipe."""
        sections = asdict(self)
        del sections["path"]
        return dump(sections)

    def require(self, section: str) -> dict:
        """A component's section that the caller needs.

        Raises:
            UserError: the recipe has none.
        """
        value = getattr(self, section)
        if value is None:
            raise UserError(
                f"{self.path}: {section}: the recipe has none, and it is needed here: "
                f"add {section}: {{name: ...}} (known: {listed(names(COMPONENTS[section]))})"
            )
        return value


def load_recipe(name_or_path: str | Path, overrides: Iterable[str | tuple[str, Any]] = ()) -> Recipe:
    """Reads and checks a recipe; imports no component, no MindSpore.

    Args:
        name_or_path: a file; or the name of a recipe that comes with the package, such as "tae/train/tiny_64x64x8".
        overrides: texts "dotted.path=value", such as "train.steps=10", the value in YAML; or (dotted path, value)
            pairs, the value as it is.

    Returns:
        Recipe.

    Raises:
        UserError: every mistake found, a line each: where it stands, the key, the rule, the value and the remedy.
    """
    path = find_recipe(name_or_path)
    tree, problems = parse(read_recipe(path), str(path))
    if not isinstance(tree, MarkedDict):
        what = "empty" if tree is None else f"a {type(tree).__name__}"
        raise UserError(f"{path}: a recipe is a mapping of sections ({listed(SECTION_NAMES)}), this file is {what}")
    problems += apply_overrides(tree, overrides)
    check = RecipeCheck(tree, Mark(str(path)))
    problems += check.problems
    if problems:
        raise UserError(*sorted(problems, key=lambda problem: problem.mark.line))
    sections = {
        name: SECTIONS[name](**values) if name in SECTIONS else values for name, values in check.sections.items()
    }
    return Recipe(**sections, path=path)
