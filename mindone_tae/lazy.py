"""Public names of a package whose modules are imported when a name is first used."""

import sys
from importlib import import_module


def lazy_names(package, modules):
    """The module-level `__getattr__` and `__dir__` of a package.

    Args:
        package: its `__name__`.
        modules: name to the module that defines it, absolute or relative to the package (".layers.attention").

    Returns:
        (`__getattr__`, `__dir__`), to be bound in the package.
    """

    def __getattr__(name):
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(modules[name], package), name)

    def __dir__():
        return sorted({*vars(sys.modules[package]), *modules})

    return __getattr__, __dir__
