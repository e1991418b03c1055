"""The host side: components by name, recipes, and a trainer and evaluator for any model.

Importing this package imports neither MindSpore nor mindone; modules that need them are imported on first use.
"""

from mindone_tae.lazy import lazy_names

from .errors import UserError
from .recipe.recipe import Recipe, load_recipe, recipe_names
from .registry import build, get, names

# Public names whose modules import MindSpore: module, relative to this package.
_LAZY = {
    "Trainer": ".training.trainer",
    "Evaluator": ".training.evaluator",
}

__all__ = ["Recipe", "UserError", "build", "get", "load_recipe", "names", "recipe_names", *_LAZY]

__getattr__, __dir__ = lazy_names(__name__, _LAZY)
