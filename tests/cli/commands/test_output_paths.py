"""--output_path and other names of places that cannot be what they should be."""

import pytest

from mindone_tae.cli import run


@pytest.mark.parametrize(
    "path, said",
    [
        ("afile", "--output_path is afile, which is a file"),
        ("afile/run", "--output_path is afile/run, and afile is a file"),
    ],
)
@pytest.mark.parametrize(
    "words",
    [
        ["train", "--config", "tae/train/tiny_64x64x8"],
        ["evaluate", "--config", "tae/eval/default"],
        ["reconstruct", "--video_folder", "."],
        ["encode", "--video_folder", "."],
        ["decode", "--latent_folder", "."],
        ["latent-stats", "--latent_folder", "."],
        ["check-data", "."],
        ["demo"],
    ],
)
def test_an_output_path_that_is_a_file_is_told_in_one_line_and_the_file_is_kept(
    words, path, said, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "afile").write_text("mine")
    assert run([*words, "--output_path", path]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert said in line and "it must be a folder" in line
    assert [entry.name for entry in tmp_path.iterdir()] == ["afile"] and (tmp_path / "afile").read_text() == "mine"


@pytest.mark.parametrize(
    "words",
    [
        *([name, "--video_folder", "."] for name in ("reconstruct", "encode", "evaluate", "linear-code")),
        *([name, "--latent_folder", "."] for name in ("decode", "latent-stats")),
        *([name, "."] for name in ("plot", "report", "check-data")),
        ["train", "--config", "tae/train/tiny_64x64x8"],
        ["demo"],
    ],
)
def test_an_empty_output_path_is_refused_on_every_command(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for empty in ("", " "):
        assert run([*words, "--output_path", empty]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert f"--output_path is {empty!r}; it must name something" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words", [["plot", ""], ["report", "a", ""], ["encode", " "], ["inflate", "--src", "", "--target", "a"]]
)
def test_an_empty_name_is_not_the_working_directory(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(words) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "it must name something" in line
