"""Finding the definition of a class or function in source text, without importing anything.

A name is followed through `from .x import Name` and `Name = Other`. Where the text leaves a doubt (two definitions, a star import, a compiled
module, a module-level `__getattr__`), the answer is None: not known.
"""

import ast
import importlib.util
from dataclasses import dataclass
from importlib.machinery import PathFinder


@dataclass(frozen=True)
class Module:
    """A parsed source file.

    Attributes:
        name: dotted name.
        package: dotted name that its relative imports start from.
        tree: its syntax tree.
    """

    name: str
    package: str
    tree: ast.Module

    def absolute(self, node):
        """The dotted module that a `from ... import` statement names."""
        if not node.level:
            return node.module
        parents = self.package.split(".")
        kept = parents[: len(parents) - node.level + 1]
        return ".".join(kept + ([node.module] if node.module else []))


def read_module(name):
    """The module of a dotted name, or None where its source cannot be had without importing it."""
    spec = _find_spec(name)
    if spec is None or not hasattr(spec.loader, "get_source"):
        return None
    try:
        source = spec.loader.get_source(name)
        tree = ast.parse(source) if source is not None else None
    except (ImportError, OSError, SyntaxError, ValueError):
        return None
    if tree is None:
        return None
    is_package = spec.submodule_search_locations is not None
    return Module(name, name if is_package else name.rpartition(".")[0], tree)


def _find_spec(name):
    """The spec of a dotted name; importlib.util.find_spec would import the parents of a submodule."""
    top, *rest = name.split(".")
    try:
        spec = importlib.util.find_spec(top)
        for part in rest:
            if spec is None or spec.submodule_search_locations is None:
                return None
            spec = PathFinder.find_spec(f"{spec.name}.{part}", list(spec.submodule_search_locations))
    except (ImportError, KeyError, ValueError):  # KeyError: a namespace package inside another that is not imported
        return None
    return spec


def find_definition(module, name, seen=frozenset()):
    """The class or function that a module's name stands for.

    Args:
        module: a Module, or None.
        name: a plain name in it.
        seen: what was followed on the way here, against imports in a circle.

    Returns:
        (the Module that defines it, the ast.ClassDef or function node), or None.
    """
    if module is None or (module.name, name) in seen:
        return None
    bindings = [binding for binding in _bindings(module.tree.body) if binding[0] == name]
    if len(bindings) != 1:
        return None
    seen = seen | {(module.name, name)}
    _, node, original = bindings[0]
    if isinstance(node, ast.ImportFrom):
        target = module.absolute(node)
        return find_definition(read_module(target) if target else None, original, seen)
    if isinstance(node, ast.Assign):
        return find_definition(module, original, seen)
    return (module, node) if original == name else None


def _bindings(statements):
    """(name, node, what it stands for) of each name bound at the top level, branches of if, try and with included."""
    for node in statements:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            yield node.name, node, node.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, node, alias.name
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name.split(".")[0], node, None
        elif isinstance(node, ast.Assign):
            original = node.value.id if isinstance(node.value, ast.Name) else None
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id, node, original
        for inner in ("body", "orelse", "finalbody", "handlers"):
            if isinstance(node, (ast.If, ast.Try, ast.With, ast.ExceptHandler)):
                yield from _bindings(getattr(node, inner, []))
