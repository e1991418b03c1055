"""Cells and tables that no spreadsheet computes, and that come back as they were."""

import pytest

from mindone_tae.zoo.spreadsheet import as_cell, as_path_cell, from_cell, write_table


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


def test_a_table_escapes_paths_as_paths_and_other_text_as_text_and_keeps_bytes_that_are_no_utf8(tmp_path):
    rows = [("=a.mp4", "=b", -1), ("caf\udce9, x.mp4", 'say "c"', 2.5)]
    write_table(tmp_path / "new/t.csv", ("path", "caption", "number"), rows)
    expected = b'path,caption,number\r\n./=a.mp4,\'=b,-1\r\n"caf\xe9, x.mp4","say ""c""",2.5\r\n'
    assert (tmp_path / "new/t.csv").read_bytes() == expected
