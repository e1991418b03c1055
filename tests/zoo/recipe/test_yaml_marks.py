"""The YAML of recipes: what is a number, what is text, and that writing and reading agree."""

import pytest

from mindone_tae.zoo.recipe.yaml_marks import Mark, dump, parse


def test_every_key_knows_its_line():
    value, _ = parse("a:\n  b: 1\n\n  c: {d: 2}\n", "f")
    assert value.marks["a"] == Mark("f", 1)
    assert value["a"].marks == {"b": Mark("f", 2), "c": Mark("f", 4)}
    assert str(value["a"]["c"].marks["d"]) == "f:4"


def test_a_merge_key_may_be_overridden_beside_it():
    value, problems = parse("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  x: 3\n", "f")
    assert (value, problems) == ({"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 2}}, [])


@pytest.mark.parametrize("text, value", [("1e-5", 1e-5), ("1E5", 1e5), ("-2.5e+3", -2500.0), ("1e", "1e"), ("2024-01-01", "2024-01-01")])
def test_numbers_with_an_exponent_are_numbers_and_dates_are_text(text, value):
    assert parse(text, "f") == (value, [])
    assert type(parse(text, "f")[0]) is type(value)


@pytest.mark.parametrize("value", ["1e-5", "2024-01-01", "null", "yes", "1", 1e-5, 0.1, None, True, "ä: b", [1, "a"], {"a": [{"b": None}]}])
def test_dumped_values_are_parsed_back_the_same(value):
    assert parse(dump({"v": value}), "f")[0] == {"v": value}
