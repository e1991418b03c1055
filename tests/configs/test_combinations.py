"""The table of combinations holds every pair of features, and what it runs trains and resumes to the same bits."""

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"
sys.path.insert(0, str(TOOLS))

import combinations  # noqa: E402


def test_every_pair_of_levels_and_what_once_failed_is_in_a_row():
    rows = combinations.rows()
    for one, other in itertools.combinations(combinations.FEATURES, 2):
        wanted = set(itertools.product(combinations.FEATURES[one], combinations.FEATURES[other]))
        assert {(row[one], row[other]) for row in rows} == wanted
    triples = {(row["mode"], row["ema"], row["accumulation"], row["shapes"]) for row in rows}
    assert {("graph", "on", "on", "lengths"), ("graph", "on", "on", "images")} <= triples
    assert len(rows) < 25


# Accumulation is in tests/zoo/run/test_kills.py too.
ROW = "mode=pynative,ema=on,shapes=images,discriminator=2d,clipping=off,evaluation=on"


@pytest.mark.apart
@pytest.mark.parametrize(
    "row", [ROW, pytest.param(f"{ROW},accumulation=on,recompute=on", marks=pytest.mark.exhaustive)]
)
def test_a_row_trains_and_resumes_to_the_same_bits(tmp_path, row):
    command = [sys.executable, str(TOOLS / "combinations.py"), "--row", row]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "1 of 1 combinations train and resume to the same bits" in done.stdout
