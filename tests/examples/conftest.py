"""Installs the packages of examples/ as pip would: their folder on the path, and a .dist-info from their setup.cfg."""

import configparser
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def examples():
    """Their folder."""
    return EXAMPLES


@pytest.fixture
def install(tmp_path_factory, monkeypatch):
    """install(folder) makes the package that a folder's setup.cfg describes findable, for one test."""
    before = set(sys.modules)

    def call(folder):
        setup = configparser.ConfigParser()
        setup.read(folder / "setup.cfg")
        name, version = setup["metadata"]["name"], setup["metadata"]["version"]
        site = tmp_path_factory.mktemp("site")
        info = site / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        groups = setup["options.entry_points"].items()
        (info / "entry_points.txt").write_text("".join(f"[{group}]\n{lines.strip()}\n" for group, lines in groups))
        for path in (site, folder):
            monkeypatch.syspath_prepend(str(path))

    yield call
    for name in set(sys.modules) - before:
        if str(EXAMPLES) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
