"""Checks an sdist and a wheel against the checkout that they were built from; `make dist` runs it.

    python tools/check_distributions.py dist              # what they hold, and what an index will show
    python tools/check_distributions.py dist --install    # installs the wheel too, from pip's index

With --install a virtual environment is made in a temporary folder, and what it holds reconstructs a clip there: some
gigabytes, and some minutes.
"""

import argparse
import email
import re
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
# Of the checkout, what the wheel holds, and under which name.
IN_WHEEL = (
    (re.compile(r"mindone_tae/.*"), r"\g<0>"),
    (re.compile(r"configs/(.*\.yaml)"), r"mindone_tae/configs/\1"),
    (re.compile(r"LICENSE"), r"LICENSE"),
)


def tracked(checkout):
    """The files that git tracks, or would, as paths from the checkout; without those that are deleted."""
    words = ["git", "-C", str(checkout), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split("\0")
    return sorted(name for name in names if name and (checkout / name).is_file())


def problems(files, sdist, wheel):
    """What is wrong with the distributions, a line each.

    Args:
        files: paths from the checkout, as `tracked` gives them.
        sdist: path of the .tar.gz.
        wheel: path of the .whl.
    """
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = set(archive.namelist())
        metadata = next(name for name in in_wheel if name.endswith(".dist-info/METADATA"))
        shown = email.message_from_bytes(archive.read(metadata)).get_payload()
    found = [f"the sdist lacks {name}" for name in files if name not in in_sdist]
    in_wheel |= {name.rpartition("/")[2] for name in in_wheel if ".dist-info/" in name}
    for name in files:
        for pattern, put in IN_WHEEL:
            expected = pattern.sub(put, name)
            if pattern.fullmatch(name) and expected not in in_wheel:
                found.append(f"the wheel lacks {expected}")
    found += [f"the wheel holds {name}" for name in sorted(in_wheel) if name.startswith(("tests/", "tools/", "docs/"))]
    for text, target in re.findall(r"\[([^\]]*)\]\(([^)\s]+)\)", shown):
        if not target.startswith(("https://", "http://", "#")):
            found.append(f"an index would show the link {text!r} to {target}, which leads nowhere there")
    if len(shown) < 1000:
        found.append("the long description is empty or nearly so")
    return found


def install(wheel):
    """Installs the wheel into a fresh environment, as pip finds what it needs, and uses it there."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(Path(folder, "env"), with_pip=True)
        commands = Path(folder, "env/bin")
        clip = (
            "import numpy; from mindone_tae.data import write_video; "
            "write_video('clip.mp4', numpy.zeros((9, 64, 64, 3), 'uint8'), 8)"
        )
        for words in (
            ["python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel.resolve())],
            ["mindone-tae", "list"],
            ["python", "-c", clip],
            ["mindone-tae", "reconstruct", "clip.mp4", "--ckpt_path", "tiny", "--output_path", "seen"],
        ):
            print("$", *words, flush=True)
            subprocess.run([commands / words[0], *words[1:]], cwd=folder, check=True)


def main():
    """Exit status 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="holds one .tar.gz and one .whl")
    parser.add_argument("--install", action="store_true")
    options = parser.parse_args()
    (sdist,), (wheel,) = options.folder.glob("*.tar.gz"), options.folder.glob("*.whl")
    found = problems(tracked(CHECKOUT), sdist, wheel)
    print("\n".join(found) or f"{sdist.name} and {wheel.name} hold what they should")
    if options.install and not found:
        install(wheel)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
