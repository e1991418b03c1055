"""The host side: components by name, recipes, and a trainer and evaluator that know no model.

Importing this package imports neither MindSpore nor mindone; what needs them is imported on first use.
"""

from importlib import import_module

from .errors import UserError
from .recipe import Recipe, load_recipe, recipe_names
from .registry import build, get, names

# Public names whose modules import MindSpore: module, relative to this package.
_LAZY = {
    "Trainer": ".trainer",
    "Evaluator": ".evaluator",
}

__all__ = ["Recipe", "UserError", "build", "get", "load_recipe", "names", "recipe_names", *_LAZY]


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name], __name__), name)


def __dir__():
    return sorted({*globals(), *__all__})
