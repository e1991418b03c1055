"""Recipes found by path or by name, installed or in a source checkout."""

import pytest

from mindone_tae.zoo import UserError, recipe_names
from mindone_tae.zoo.recipe import files
from mindone_tae.zoo.recipe.files import find_recipe, purpose, read_recipe


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A package folder with one recipe inside, as after installation."""
    path = tmp_path / "pkg" / "configs" / "tae" / "train" / "tiny.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("train: {steps: 1}\n")
    monkeypatch.setattr(files, "_PACKAGE", tmp_path / "pkg")
    return path


@pytest.mark.parametrize("name", ["tae/train/tiny", "tae/train/tiny.yaml", "configs/tae/train/tiny.yaml"])
def test_a_recipe_is_found_by_name_in_any_of_its_spellings(shipped, name):
    assert recipe_names() == ["tae/train/tiny"]
    assert find_recipe(name) == shipped


def test_a_path_is_taken_before_a_name(shipped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text("train: {steps: 2}\n")
    assert find_recipe("own.yaml").samefile(tmp_path / "own.yaml")


def test_a_recipe_beside_the_package_is_found_in_a_source_checkout_only(shipped, tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "beside.yaml").write_text("train: {steps: 1}\n")
    assert recipe_names() == ["tae/train/tiny"]
    (tmp_path / "setup.cfg").write_text("")
    assert recipe_names() == ["beside", "tae/train/tiny"]


def test_a_file_that_is_not_text_is_told(tmp_path):
    (tmp_path / "r.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="r.yaml: not UTF-8 text.*save it as UTF-8"):
        read_recipe(tmp_path / "r.yaml")


def test_an_unknown_recipe_is_told_with_the_nearest_and_the_list(shipped):
    with pytest.raises(
        UserError, match="'tae/train/tinny' is neither a file.*did you mean 'tae/train/tiny'.*names: tae/train/tiny"
    ):
        find_recipe("tae/train/tinny")


def test_the_home_of_an_unknown_user_is_no_recipe():
    with pytest.raises(UserError, match="'~nosuchuser/x' is neither a file nor the name of a recipe"):
        find_recipe("~nosuchuser/x")


def test_a_part_of_a_name_is_answered_with_the_names_that_hold_it():
    with pytest.raises(UserError) as caught:
        find_recipe("tiny")
    suggested = str(caught.value).partition("did you mean ")[2].partition("?")[0]
    assert suggested.split(" or ") == [repr(name) for name in recipe_names() if "tiny" in name]


def test_every_recipe_opens_with_what_it_is_for():
    for name in recipe_names():
        first = find_recipe(name).read_text(encoding="utf-8").splitlines()[0]
        assert len(purpose(name)) > 20 and first == f"# {purpose(name)}"
