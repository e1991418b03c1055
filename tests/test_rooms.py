"""Who may import whom, between rooms and inside them: read from every file's source, imports in functions included."""

import ast
import configparser
from collections import Counter
from pathlib import Path

import pytest

import mindone_tae

PACKAGE = Path(mindone_tae.__file__).resolve().parent
LARGEST_FOLDER = 14

# Room: modules of other rooms that it may import, with all below them. None: anything.
ROOMS = {
    "zoo": set(),
    "models": set(),
    "weights": {"models", "zoo.errors", "zoo.atomic_file"},
    # weights.formats reads and writes all files of tensors, such as data's latents and LPIPS's weights
    "data": {"zoo.errors", "zoo.printable", "zoo.spreadsheet", "zoo.atomic_file", "weights.formats"},
    "losses": {"zoo.errors", "zoo.atomic_file", "weights.formats"},
    "metrics": {"losses", "zoo.errors"},
    "export": {"models", "version", "zoo.errors"},
    "hosts": {"models", "weights", "zoo.errors", "zoo.registry"},
    "cli": None,
    "__init__": None,
    "__main__": None,
    "lazy": set(),
    "version": set(),
}
# Any package's __init__ may take its public names from there.
FOR_EVERY_INIT = {"lazy"}

# Place in a room: places and modules of the same room that it may import. A place is a folder or a module at the room's
# top; "" stands for the top modules that are not listed by name. Modules of one place may import one another; where
# several listed places hold a module, the longest counts.
INSIDE = {
    "zoo": {
        "__init__": {"errors", "registry", "recipe"},
        "printable": set(),
        "spreadsheet": {"atomic_file"},
        "errors": {"printable"},
        "progress": set(),
        "compiling": {"progress"},
        "atomic_file": {"errors"},
        "signatures": {"errors", "printable"},
        "registry": {"errors", "signatures"},
        "recipe": {"errors", "printable", "registry", "signatures"},
        "run": {"atomic_file", "errors", "printable", "recipe", "spreadsheet"},
        "device": {"errors"},
        "protocols": {"errors", "registry", "run", "signatures"},
        "training": {
            "atomic_file",
            "compiling",
            "device",
            "errors",
            "progress",
            "protocols",
            "recipe",
            "registry",
            "run",
        },
    },
    "models": {
        "__init__": set(),
        "kernels": set(),
        "layers": {"kernels"},
        "latent": set(),
        "pretrained": {"layers.start"},
        "first_calls": set(),
        "tiling": {"latent", "layers", "kernels", "first_calls"},
        "encoder": {"layers", "kernels.activation", "kernels.recompute"},
        "decoder": {"layers", "kernels.activation", "kernels.recompute"},
        "baselines": {"layers", "latent", "pretrained", "kernels.activation", "kernels.recompute"},
        "description": set(),
        "published": {"latent.scaling"},
        "given": {"layers.dtypes"},
        "autoencoder": {"encoder", "decoder", "description", "given", "latent", "pretrained", "tiling"}
        | {"kernels.device", "layers.dtypes", "layers.precision"},
    },
    "weights": {"": {"", "formats"}, "formats": set(), "inflation": {"", "formats"}, "published": {"", "formats"}},
    "data": {
        "__init__": set(),
        "transforms": set(),
        "readers": {"readers.isolated", "transforms"},
        "readers.isolated": {"readers.base", "readers.file_stamp"},
        "files": {"readers"},
        "clips": {"files", "readers", "transforms"},
        "latents": {"files"},
        "video_out": {"transforms"},
        "whole_video": {"readers", "transforms"},
        "samples": {"video_out"},
        "tae_video": {"clips", "files", "readers", "transforms"},
        "tae_latents": {"latents"},
        "mixture": set(),
    },
    "losses": {"": {"", "lpips"}, "frozen_network": set(), "lpips": {"frozen_network", "safe_sqrt"}, "gan": set()},
    "metrics": {"": {""}, "rfvd": {"frame_pairs"}},
    "export": {
        "__init__": set(),
        "facts": set(),
        "requirements": set(),
        "agreement": set(),
        "graph": set(),
        "layers": set(),
        "network": {"graph", "layers"},
        "onnx_file": {"network"},
        "onnx_check": {"agreement"},
        "mindir": set(),
    },
    "hosts": {"": {""}},
    "cli": {
        "": {"", "report"},
        "__init__": {"", "parser"},
        "parser": {"", "commands", "serve"},
        "report": set(),
        "serve": {""},
        "commands": {"", "report"},
        "commands.demo": {"", "commands", "parser", "report"},
        "commands.report": {"", "commands", "report"},
    },
}

# Places whose modules may not import one another.
APART = {"cli.commands"}

# Module: what it may import inside functions only, and why.
DEFERRED = {
    "models.pretrained": {"weights"},  # the one place where a model asks for weights
    "models.given": {"data"},  # a path given in the place of pixels
    "data.mixture": {"zoo.registry"},  # builds the data sets that it mixes by their names
}

# Debts, each with what has to be done before its line goes.
EXCEPTIONS = {
    # the scaling conventions are defined in models; defined once in a place that both may import, this goes
    "data.tae_latents": {"models.latent.scaling"},
    # the latents that commands take belong beside what commands share
    "cli.commands.latent_stats": {"cli.commands.decode"},
}


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
            names = [f"{module}.{alias.name}" for alias in node.names]
            found.extend((name if is_module(name) else module, deferred) for name in names)
        elif isinstance(node, ast.Call):
            function = getattr(node.func, "attr", getattr(node.func, "id", ""))
            target = node.args[0] if node.args else None
            text = target.value if isinstance(target, ast.Constant) and isinstance(target.value, str) else "."
            if function in ("import_module", "__import__") and not text.startswith("."):
                found.append((text, deferred))
        inside = deferred or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in ast.iter_child_nodes(node):
            visit(child, inside)

    visit(ast.parse(source), False)
    return found


def is_module(dotted):
    path = PACKAGE.parent.joinpath(*dotted.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def is_in(module, places):
    return any(module == place or module.startswith(f"{place}.") for place in places)


def place_of(module, table):
    """The longest listed place that a module, dotted from the room, is in; a folder that is not listed is its own."""
    listed = [place for place in table if place and is_in(module, {place})]
    return max(listed, key=len, default=module.partition(".")[0] if "." in module else "")


def may_import(module, target, deferred):
    """Whether a module may import another; both dotted from the package."""
    if is_in(target, EXCEPTIONS.get(module, set()) | (DEFERRED.get(module, set()) if deferred else set())):
        return True
    if module.endswith("__init__") and target in FOR_EVERY_INIT:
        return True
    room, _, inner = module.partition(".")
    target_room, _, target_inner = target.partition(".")
    if target_room != room:
        return ROOMS[room] is None or is_in(target, ROOMS[room])
    if not inner:
        return True
    table = INSIDE[room]
    place, target_place = place_of(inner, table), place_of(target_inner, table)
    allowed = table.get(place, set())
    if place == target_place:
        return f"{room}.{place}" not in APART
    return target_place in allowed or is_in(target_inner, allowed - {""})


def trespasses(file, source):
    """What a file imports of this package that it may not; file: its path inside the package."""
    module = file.removesuffix(".py").replace("/", ".")
    package = ".".join([PACKAGE.name, *Path(file).parent.parts])
    found = []
    for dotted, deferred in imports(source, package, is_module):
        top, _, target = dotted.partition(".")
        if top == PACKAGE.name and not may_import(module, target, deferred):
            found.append(dotted)
    return found


FILES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}


@pytest.mark.parametrize("room", sorted({file.partition("/")[0] for file in FILES}))
def test_the_files_of_a_room_import_only_what_they_may(room):
    files = [file for file in FILES if file.partition("/")[0] == room]
    found = {file: trespasses(file, FILES[file].read_text()) for file in files}
    assert {file: wrong for file, wrong in found.items() if wrong} == {}


def test_every_room_and_every_folder_in_it_is_in_a_table():
    assert {file.partition("/")[0].removesuffix(".py") for file in FILES} == set(ROOMS)
    folders = {Path(file).parent.as_posix().replace("/", ".") for file in FILES}
    listed = {f"{room}.{place}" for room, table in INSIDE.items() for place in table if place}
    assert {folder for folder in folders if "." in folder.strip(".") and not is_in(folder, listed)} == set()


def test_every_place_every_permission_and_every_exception_is_about_something_that_exists():
    named = set()
    for room, table in INSIDE.items():
        named |= {f"{room}.{place}" for place in set(table).union(*table.values()) - {""}}
    for table in (DEFERRED, EXCEPTIONS):
        named |= set(table) | set().union(*table.values())
    assert {name for name in named if not is_module(f"{PACKAGE.name}.{name}")} == set()


def test_every_exception_is_still_needed():
    for module, targets in EXCEPTIONS.items():
        source = FILES[module.replace(".", "/") + ".py"].read_text()
        package = f"{PACKAGE.name}.{module}".rpartition(".")[0]
        used = {dotted.partition(".")[2] for dotted, _ in imports(source, package, is_module)}
        assert targets <= used, f"{module} no longer imports {targets - used}"


@pytest.mark.parametrize("top", [PACKAGE, Path(__file__).parent], ids=["package", "tests"])
def test_no_folder_holds_more_modules_than_can_be_taken_in_at_once(top):
    modules = [path for path in top.rglob("*.py") if path.name != "__init__.py"]
    counts = Counter(path.parent.relative_to(top).as_posix() for path in modules)
    assert {folder: count for folder, count in counts.items() if count > LARGEST_FOLDER} == {}


def test_setup_cfg_lists_every_package():
    setup = configparser.ConfigParser()
    setup.read(PACKAGE.parent / "setup.cfg")
    listed = setup["options"]["packages"].split()
    found = [".".join((PACKAGE.name, *Path(file).parent.parts)) for file in FILES if file.endswith("__init__.py")]
    assert sorted(listed) == sorted([*found, "mindone_tae.configs"])


def test_only_kernels_ask_which_device_they_are_on():
    of_models = [file for file in FILES if file.startswith("models/")]
    asking = {file for file in of_models if "device_target" in FILES[file].read_text()}
    assert asking and all(file.startswith("models/kernels/") for file in asking)


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
    assert trespasses("zoo/registry.py", source) != []


def test_zoo_may_import_itself_and_the_world():
    source = "import mindspore\nfrom . import update\nfrom ..errors import UserError\nimport mindone.trainers\n"
    assert trespasses("zoo/training/trainer.py", source + "from mindone_tae.zoo.run import log") == []


@pytest.mark.parametrize(
    "file, source",
    [
        ("models/kernels/winograd.py", "from ..layers.frames import FramesCell"),
        ("models/kernels/winograd.py", "from .. import layers"),
        ("models/layers/attention.py", "def f():\n    from ..tiling.tiling import Tiling"),
        ("models/layers/attention.py", "from mindone_tae.models.encoder import Encoder"),
        ("models/decoder.py", "from .encoder import Encoder"),
        ("models/encoder.py", "from .kernels.winograd import down_rows"),
        ("zoo/recipe/check.py", "from ..training.trainer import Trainer"),
        ("zoo/errors.py", "from . import registry"),
        ("data/readers/base.py", "from ..files.collection import Item"),
        ("data/readers/isolated/reader_pool.py", "from ..opening import open_video"),
        ("weights/formats/ckpt.py", "from ..reading import open_weights"),
        ("weights/reading.py", "from .inflation.inflation import inflate"),
        ("losses/gan/patchgan.py", "from ..tae_loss import TAELoss"),
        ("cli/streams.py", "from .commands.encode import encode"),
        ("cli/commands/plot.py", "from .train import train"),
    ],
)
def test_a_place_could_not_import_what_stands_above_it(file, source):
    assert trespasses(file, source) != []


def test_a_deferred_import_is_allowed_to_its_module_and_inside_functions_only():
    deferred = "def f():\n    from mindone_tae.weights import load"
    assert trespasses("models/pretrained.py", deferred) == []
    assert trespasses("models/encoder.py", deferred) == ["mindone_tae.weights"]
    assert trespasses("models/pretrained.py", "from mindone_tae.weights import load") == ["mindone_tae.weights"]


def test_of_zoo_other_rooms_may_import_the_errors_only():
    assert trespasses("data/mixture.py", "from mindone_tae.zoo.errors import UserError") == []
    assert trespasses("data/mixture.py", "from mindone_tae.zoo import build") == ["mindone_tae.zoo"]
    errors = "from mindone_tae.zoo.errors import UserError"
    assert trespasses("models/latent/shape.py", errors) == ["mindone_tae.zoo.errors"]


# What must be importable where MindSpore is not: MindSpore is named inside functions only.
LIGHT = [file for file in FILES if file.startswith(("zoo/recipe/", "zoo/signatures/"))]


@pytest.mark.parametrize("file", ["lazy.py", "zoo/__init__.py", "zoo/errors.py", "zoo/registry.py", *LIGHT])
def test_registry_and_recipes_import_nothing_heavy(file):
    tops = {dotted.partition(".")[0] for dotted, _ in imports(FILES[file].read_text(), PACKAGE.name)}
    assert not tops & {"mindspore", "mindone", "mindcv", "numpy"}
