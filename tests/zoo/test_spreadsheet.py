"""Cells that no spreadsheet computes, and that come back as they were."""

import pytest

from mindone_tae.zoo.spreadsheet import as_cell, as_path_cell, from_cell


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "'=1", "''=1", "'", "'a", "a=b", "", "caf\udce9"]
)
def test_a_cell_is_no_formula_and_comes_back(text):
    assert not as_cell(text).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert from_cell(as_cell(text)) == text


def test_numbers_stay_numbers_and_paths_name_the_same_file():
    assert as_cell(-1.5) == -1.5
    assert [as_path_cell(path) for path in ("=a.mp4", "-b/c.mp4", "a.mp4", "/=a.mp4")] == [
        "./=a.mp4",
        "./-b/c.mp4",
        "a.mp4",
        "/=a.mp4",
    ]
