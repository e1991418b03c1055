"""Damaged files of every kind are read or refused in one line, in time and memory: a slice of tools/fuzz_files.py."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

TOOLS = Path(__file__).parents[2] / "tools"
sys.path.insert(0, str(TOOLS))

import fuzz_files  # noqa: E402
from fuzzing.kinds_data import KINDS, made  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return made(tmp_path_factory.mktemp("fuzz") / "seeds", KINDS).parent


@pytest.mark.apart
def test_damaged_files_of_every_kind_are_read_or_refused(tmp_path):
    words = [
        sys.executable,
        str(TOOLS / "fuzz_files.py"),
        "--variants",
        "80",
        "--seed",
        "1",
        "--folder",
        str(tmp_path),
    ]
    said = subprocess.run(words, capture_output=True, text=True, errors="replace")
    assert said.returncode == 0, said.stdout + said.stderr[-2000:]
    (total,) = [line.split() for line in said.stdout.splitlines() if line.startswith("all ")]
    assert int(total[1]) == 80 and min(int(total[2]), int(total[3])) > 10 and total[4:] == ["0"] * 4


def test_tracebacks_deaths_hangs_and_memory_are_told(folder, monkeypatch):
    monkeypatch.setattr(fuzz_files, "HANG_SECONDS", 0.5)
    monkeypatch.setattr(fuzz_files, "MEMORY_BYTES", 50 * 2**20)
    wrong = {
        "TRACEBACK": lambda place: [][1],
        "DEATH": lambda place: os.kill(os.getpid(), 9),
        "HANG": lambda place: time.sleep(60),
        "MEMORY": lambda place: np.ones(8 * 10**7),
        "refused": lambda place: int((place / "missing").read_text()),
        "read": lambda place: None,
    }
    jobs = [(replace(KINDS[0], read=read), number) for number, read in enumerate(wrong.values())]
    assert [what for _, _, _, what, *_ in fuzz_files.fuzz(jobs, 0, folder)] == list(wrong)


def test_a_variant_is_the_same_every_time(folder, tmp_path):
    for kind in KINDS:
        copies = [tmp_path / f"{kind.name}{number}" for number in (0, 1)]
        told = [fuzz_files.variant(kind, 3, 0, folder / "seeds" / kind.name, copy) for copy in copies]
        files = [sorted(path for path in copy.rglob("*") if path.is_file()) for copy in copies]
        assert told[0] == told[1] and [a.read_bytes() for a in files[0]] == [b.read_bytes() for b in files[1]]
