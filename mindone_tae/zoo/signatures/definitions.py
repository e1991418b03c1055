"""Finding a class or function in source text, without importing anything."""

import ast
import importlib.util
from collections import Counter
from functools import lru_cache
from importlib.machinery import PathFinder


def find_definition(module: str, name: str, seen: tuple = ()) -> tuple[str, ast.ClassDef | ast.FunctionDef] | None:
    """The syntax tree of a name's definition in a module, or in the module that it is imported from.

    Args:
        module: dotted.
        name: a plain name in it.
        seen: the (module, name) pairs searched before, to stop at circular imports.

    Returns:
        The module that defines it, and an ast.ClassDef or ast.FunctionDef; None where there is no source, or the name
        is bound in another way or twice.
    """
    source, package = _source(module)
    if source is None or (module, name) in seen:
        return None
    node = _names(source).get(name)
    if node is None:
        return None
    if not isinstance(node, ast.ImportFrom):
        return (module, node) if isinstance(node, (ast.ClassDef, ast.FunctionDef)) else None
    original = next(alias.name for alias in node.names if (alias.asname or alias.name) == name)
    target = node.module or ""
    if node.level:
        parents = package.split(".")
        target = ".".join([*parents[: len(parents) - node.level + 1], *filter(None, [node.module])])
    return find_definition(target, original, (*seen, (module, name)))


@lru_cache(maxsize=64)
def _names(source):
    """name -> the node that binds it, of the names that a source text binds once, and at its top level."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return {}
    binds = Counter(name for node in ast.walk(tree) for name in _bound(node))
    return {name: node for node in tree.body for name in _bound(node) if binds[name] == 1}


def _bound(node):
    """The names that a node binds in its scope."""
    if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
        return [node.name]
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [alias.asname or alias.name for alias in node.names]
    return [node.id] if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else []


def _source(module):
    """Source text of a dotted module, and the package that its relative imports start from; None without source."""
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
        for part in rest:  # importlib.util.find_spec would import the parents of a submodule
            spec = PathFinder.find_spec(f"{spec.name}.{part}", list(spec.submodule_search_locations))
        source = spec.loader.get_source(module)
    except (AttributeError, ImportError, KeyError, OSError, TypeError, ValueError):
        return None, None  # missing, compiled, or a namespace package
    return source, module if spec.submodule_search_locations is not None else module.rpartition(".")[0]
