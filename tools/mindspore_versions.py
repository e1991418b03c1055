"""Runs a small set of tests with other versions of MindSpore, each in an environment that it makes, and prints a table.

    make test-versions                          # 2.7.1, 2.8.0 and 2.10.0
    make test-versions VERSIONS="2.9.0"

The set: golden vectors, the kernels' definitions, the registry, training and resuming, hosts, weights and readers.
Everything but MindSpore has the version of constraints.txt. An environment takes 4 GB and stays for the next call, as
.venv-mindspore-VERSION.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = ("2.7.1", "2.8.0", "2.10.0")
TESTS = {
    "golden vectors": ["tests/models/test_golden.py"],
    "kernels": ["tests/models/kernels"],
    "registry": ["tests/zoo/test_registry.py"],
    "training": ["tests/zoo/training/test_trainer.py", "tests/zoo/training/test_update.py"],
    "hosts": ["tests/hosts"],
    "weights": ["tests/weights/test_loading.py", "tests/weights/test_saving.py"],
    "readers": ["tests/data/readers", "tests/data/test_tae_video.py"],
}
_COUNT = re.compile(r"(\d+) (passed|failed|error|errors|skipped)")


def environment(version):
    """The Python of the environment with this MindSpore, made where it is missing."""
    folder = ROOT / f".venv-mindspore-{version}"
    python = folder / "bin" / "python"
    if (folder / "ready").exists():
        return python
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pinned = re.sub(r"^mindspore==.*$", f"mindspore=={version}", pinned, flags=re.MULTILINE)
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as constraints:
        constraints.write(pinned)
        constraints.flush()
        held = {**os.environ, "PIP_CONSTRAINT": constraints.name, "PIP_BUILD_CONSTRAINT": constraints.name}
        install = [
            str(python),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--editable",
            ".[test]",
        ]
        subprocess.run(install, cwd=ROOT, env=held, check=True)
    (folder / "ready").touch()
    return python


def counts(python, paths):
    """What pytest says of some tests: "81 passed, 2 skipped"; its last lines where it says nothing of the kind."""
    words = [str(python), "-m", "pytest", "-p", "no:cacheprovider", *paths]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    sys.stderr.write(done.stdout if done.returncode else "")
    lines = done.stdout.strip().splitlines() or [f"status {done.returncode}"]
    found = _COUNT.findall(lines[-1])
    return ", ".join(f"{count} {what}" for count, what in found) or lines[-1], done.returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("versions", nargs="*", default=VERSIONS)
    versions = parser.parse_args().versions
    pythons = {version: environment(version) for version in versions}
    sys.stdout.write(f"| | {' | '.join(versions)} |\n|---|{'---|' * len(versions)}\n")
    good = True
    for name, paths in TESTS.items():
        cells = [counts(pythons[version], paths) for version in versions]
        good = good and all(passed for _, passed in cells)
        sys.stdout.write(f"| {name} | {' | '.join(text for text, _ in cells)} |\n")
        sys.stdout.flush()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
