"""What tools/upstream.py writes for mindone.diffusers stands alone, and meets the golden vectors in its own test."""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mindspore as ms

CHECKOUT = Path(__file__).resolve().parents[2]
NAME = "mindone.diffusers.models.autoencoders.autoencoder_kl_tae"
sys.path.insert(0, str(CHECKOUT / "tools"))
import upstream

RUFF = shutil.which("ruff", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
pytestmark = pytest.mark.skipif(RUFF is None, reason="ruff, which formats the files, is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("upstream")
    assert all((folder / name).is_file() for name in upstream.write(folder))
    return folder


@pytest.fixture
def loaded(folder):
    """The test's module, after the model's under its name in mindone; this package cannot be imported meanwhile."""

    class Absent:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] == "mindone_tae":
                raise ImportError(f"{name} is not there")

    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "mindone_tae"}
    absent = Absent()
    sys.meta_path.insert(0, absent)
    try:
        for name, path in ((NAME, upstream.MODEL), ("test_upstream_file", upstream.TEST)):
            spec = importlib.util.spec_from_file_location(name, folder / path)
            module = sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        yield module
    finally:
        sys.meta_path.remove(absent)
        sys.modules.update(kept)
        for name in (NAME, "test_upstream_file"):
            sys.modules.pop(name, None)


def test_the_model_file_names_mindspore_and_mindone_only_and_no_device(folder):
    source = (folder / upstream.MODEL).read_text()
    assert not re.search(r"^\s*(from|import) mindone_tae|on_cpu|device_target", source, re.MULTILINE)
    tops = {
        node.module.partition(".")[0] if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.Import, ast.ImportFrom)) and not getattr(node, "level", 0)
    }
    assert tops == {"math", "typing", "numpy", "mindspore"}


def test_it_passes_what_their_linters_ask(folder):
    words = [RUFF, "check", "--isolated", "--select", "E,F,W", "--line-length", "160", folder]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


# MindONE's pyproject.toml and .flake8, as of its 0.5.0
SETTINGS = {
    "pyproject.toml": """
[tool.isort]
profile = "black"
line_length = 120
known_mindspore = ["mindspore"]
known_first_party = ["mindone"]
sections = ["FUTURE", "STDLIB", "THIRDPARTY", "MINDSPORE", "FIRSTPARTY", "LOCALFOLDER"]
[tool.black]
line-length = 120
""",
    ".flake8": "[flake8]\nmax-line-length = 160\nextend-ignore = E203,E731,W605,E231,F821\n",
}


@pytest.mark.parametrize("words", ["black --check --diff", "isort --check --diff", "flake8"])
def test_their_own_linters_change_and_report_nothing(folder, words):
    pytest.importorskip(words.split()[0], reason=f"{words.split()[0]} is not installed")
    for name, text in SETTINGS.items():
        (folder / name).write_text(text)
    files = [upstream.MODEL, upstream.TEST]
    done = subprocess.run([sys.executable, "-m", *words.split(), *files], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stdout, done.stdout + done.stderr


def test_it_meets_the_golden_vectors_without_this_package(loaded):
    loaded.test_golden(ms.PYNATIVE_MODE)


def test_it_saves_loads_and_slices_as_models_of_mindone_do(loaded, tmp_path):
    loaded.test_save_and_load(tmp_path)
    loaded.test_slices_and_frames()


def test_its_parameters_have_the_published_names_and_shapes(loaded):
    lines = (CHECKOUT / "tests/models/golden/parameters_ch32.txt").read_text().splitlines()
    published = {name: tuple(map(int, shape.split("x"))) for name, shape in map(str.split, lines)}
    model = loaded.AutoencoderKLTAE(block_out_channels=(32, 64, 128, 128))
    assert {parameter.name: tuple(parameter.shape) for parameter in model.get_parameters()} == published
