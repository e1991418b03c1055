"""Who may import whom: read from the source of every file, imports inside functions included."""

import ast
from pathlib import Path

import pytest

import mindone_tae

PACKAGE = Path(mindone_tae.__file__).resolve().parent

# Room: modules of this package, beyond itself, that it may import (with all below them). None: anything.
ALLOWED = {
    "zoo": set(),
    "models": set(),
    "weights": {"models", "zoo.errors", "zoo.atomic_file"},
    "data": {"weights.safetensors_file", "weights.stored", "zoo.errors", "zoo.atomic_file"},
    "losses": {"metrics", "weights.torch_file", "zoo.errors", "zoo.atomic_file"},
    "metrics": {"losses", "zoo.errors"},
    "hosts": {"models", "weights", "zoo.errors", "zoo.registry"},
    "cli": None,
    "__init__": None,
    "__main__": None,
    "version": set(),
}
# Single files that may import more, but only inside a function.
ALLOWED_DEFERRED = {"models/pretrained.py": {"weights"}, "data/mixture.py": {"zoo.registry"}, "data/latents_dataset.py": {"models.latent_scaling"}}


def imports(source, package, is_module=lambda dotted: False):
    """(dotted module, deferred) of each import in the source; deferred: inside a function.

    Args:
        source: Python text.
        package: dotted package that its relative imports start from.
        is_module: whether `from a import b` names the module a.b rather than something in a.
    """
    found = []

    def visit(node, deferred):
        if isinstance(node, ast.Import):
            found.extend((alias.name, deferred) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            base = parents[: len(parents) - node.level + 1] if node.level else []
            module = ".".join(base + ([node.module] if node.module else []))
            found.extend((f"{module}.{a.name}" if is_module(f"{module}.{a.name}") else module, deferred) for a in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in ("import_module", "__import__"):
            target = node.args[0] if node.args else None
            if isinstance(target, ast.Constant) and isinstance(target.value, str) and not target.value.startswith("."):
                found.append((target.value, deferred))
        inside = deferred or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in ast.iter_child_nodes(node):
            visit(child, inside)

    visit(ast.parse(source), False)
    return found


def is_module(dotted):
    path = PACKAGE.parent.joinpath(*dotted.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def room_of(path):
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def trespasses(room, file, source):
    """Imports of other rooms that a file's room may not have; file: its path inside the package."""
    package = ".".join([PACKAGE.name, *Path(file).parent.parts])
    found = []
    for dotted, deferred in imports(source, package, is_module):
        top, _, inner = dotted.partition(".")
        if top != PACKAGE.name or ALLOWED[room] is None or (inner == room or inner.startswith(f"{room}.")):
            continue
        allowed = ALLOWED[room] | (ALLOWED_DEFERRED.get(file, set()) if deferred else set())
        if not any(inner == entry or inner.startswith(f"{entry}.") for entry in allowed):
            found.append(dotted)
    return found


FILES = sorted(path for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_file_imports_only_the_rooms_that_its_own_may(path):
    assert trespasses(room_of(path), path.relative_to(PACKAGE).as_posix(), path.read_text()) == []


def test_every_room_is_in_the_table():
    assert {room_of(path) for path in FILES} <= set(ALLOWED)


@pytest.mark.parametrize("name", ["zoo", "zoo/errors.py", "zoo/registry.py", "zoo/recipe.py"])
def test_the_check_sees_the_files_it_is_about(name):
    assert any(path.relative_to(PACKAGE).as_posix().startswith(name) for path in FILES)


@pytest.mark.parametrize(
    "source",
    [
        "import mindone_tae.models",
        "import mindone_tae",
        "from mindone_tae import data",
        "from mindone_tae import TemporalAutoencoder",
        "from .. import models",
        "from ..models import encoder",
        "def f():\n    from mindone_tae.weights import load",
        "class A:\n    def f(self):\n        import mindone_tae.losses as losses",
        "import importlib\nimportlib.import_module('mindone_tae.data')",
    ],
)
def test_zoo_could_not_import_another_room_in_any_spelling(source):
    assert trespasses("zoo", "zoo/anything.py", source) != []


def test_zoo_may_import_itself_and_the_world():
    source = "import mindspore\nfrom . import errors\nfrom .recipe import Recipe\nfrom mindone_tae.zoo.errors import UserError\nimport mindone.trainers"
    assert trespasses("zoo", "zoo/anything.py", source) == []


def test_a_deferred_exception_holds_for_its_file_and_inside_functions_only():
    deferred = "def f():\n    from mindone_tae.weights import load"
    assert trespasses("models", "models/pretrained.py", deferred) == []
    assert trespasses("models", "models/encoder.py", deferred) == ["mindone_tae.weights"]
    assert trespasses("models", "models/pretrained.py", "from mindone_tae.weights import load") == ["mindone_tae.weights"]


def test_of_zoo_other_rooms_may_import_the_errors_only():
    assert trespasses("data", "data/anything.py", "from mindone_tae.zoo.errors import UserError") == []
    assert trespasses("data", "data/anything.py", "from mindone_tae.zoo import build") == ["mindone_tae.zoo"]
    assert trespasses("models", "models/anything.py", "from mindone_tae.zoo.errors import UserError") == ["mindone_tae.zoo.errors"]


# What must be importable where MindSpore is not: MindSpore is named inside functions only.
@pytest.mark.parametrize(
    "name",
    ["__init__", "errors", "registry", "signatures", "sources", "values", "schema", "yaml_marks", "overrides", "recipe", "recipe_check", "recipe_files"],
)
def test_registry_and_recipes_import_nothing_heavy(name):
    source = (PACKAGE / "zoo" / f"{name}.py").read_text()
    tops = {dotted.partition(".")[0] for dotted, _ in imports(source, "mindone_tae.zoo")}
    assert not tops & {"mindspore", "mindone", "mindcv", "numpy"}
