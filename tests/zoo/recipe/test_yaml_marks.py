"""The YAML of recipes: what is a number, what is text, and that writing and reading agree."""

import time

import pytest

from mindone_tae.zoo import UserError
from mindone_tae.zoo.recipe.yaml_marks import Mark, dump, parse


def test_every_key_knows_its_line():
    value, _ = parse("a:\n  b: 1\n\n  c: {d: 2}\n", "f")
    assert value.marks["a"] == Mark("f", 1)
    assert value["a"].marks == {"b": Mark("f", 2), "c": Mark("f", 4)}
    assert str(value["a"]["c"].marks["d"]) == "f:4"


def test_a_merge_key_may_be_overridden_beside_it():
    value, problems = parse("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  x: 3\n", "f")
    assert (value, problems) == ({"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 2}}, [])


@pytest.mark.parametrize(
    "text, value", [("1e-5", 1e-5), ("1E5", 1e5), ("-2.5e+3", -2500.0), ("1e", "1e"), ("2024-01-01", "2024-01-01")]
)
def test_numbers_with_an_exponent_are_numbers_and_dates_are_text(text, value):
    assert parse(text, "f") == (value, [])
    assert type(parse(text, "f")[0]) is type(value)


@pytest.mark.parametrize(
    "value", ["1e-5", "2024-01-01", "null", "yes", "1", 1e-5, 0.1, None, True, "ä: b", [1, "a"], {"a": [{"b": None}]}]
)
def test_dumped_values_are_parsed_back_the_same(value):
    assert parse(dump({"v": value}), "f")[0] == {"v": value}


def unfolding(levels, inner):
    """A mapping whose entry a1 stands for ten of a0, a2 for ten of a1, and so on."""
    return "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {inner(n)}\n" for n in range(1, levels))


FORMS = {
    "lists": lambda n: "[" + ", ".join([f"*a{n - 1}"] * 10) + "]",
    "mappings": lambda n: "{" + ", ".join(f"k{key}: *a{n - 1}" for key in range(10)) + "}",
    "merge keys": lambda n: "{<<: [" + ", ".join([f"*a{n - 1}"] * 10) + "]}",
}


@pytest.mark.parametrize("form", FORMS)
def test_what_aliases_unfold_to_is_counted_before_it_is_built(form):
    started = time.monotonic()
    with pytest.raises(UserError, match=r"f:\d+: with its aliases expanded it has more than 20000 values"):
        parse(unfolding(12, FORMS[form]), "f")
    assert time.monotonic() - started < 5
    assert parse(unfolding(3, FORMS[form]), "f")[1] == []  # a hundred of them are a recipe's own affair


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: &a [*a]", "f:1: a value holds itself"),
        ("a: &a\n  b: {<<: *a}", "f:1: a value holds itself"),
        ("a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 2000)), "more than 50 levels"),
        ("a: " + "[" * 5000, "not YAML"),
        ("a: [" + "1, " * 30_000 + "]", "more than 20000 values"),
        ("a: " + "x" * 300_000, "it has 300003 characters"),
        ("a: 1\nb: \0", r"f:2: not YAML: the character '\\x00' is not allowed"),
        ("a: 1\nb: \x1b[2J", r"f:2: not YAML: the character '\\x1b' is not allowed"),
        ("a: !!float b", "not YAML"),
        ("a: !!bool b", "not YAML"),
    ],
)
def test_what_is_no_recipe_is_one_error_that_says_where(text, told):
    with pytest.raises(UserError, match=told) as caught:
        parse(text, "f")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: " + "9" * 5000, "not a whole number that fits 64 bits"),
        ("a: -0x" + "f" * 5000, "not a whole number that fits 64 bits"),
        ("a: !!int ''", "not a whole number that fits 64 bits"),
        ('a: "\\ud800"', r"holds '\ud800'"),
        ('a: "\\0"', r"holds '\x00'"),
        ("a: !!binary eHg=", "is not allowed"),
        ("a: !!python/name:os.system", "is not allowed"),
    ],
)
def test_a_value_that_no_key_can_have_is_a_problem_at_its_line(text, told):
    (problem,) = parse(text, "f")[1]
    assert problem.mark == Mark("f", 1) and told in problem.text


def test_the_bytes_of_a_name_that_is_no_utf8_come_through():
    name = b"caf\xe9.mp4".decode("utf-8", "surrogateescape")
    assert parse(dump({"v": name}), "f") == ({"v": name}, [])
