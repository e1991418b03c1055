"""Constructor keywords read from source text, and values checked against annotations."""

import sys
import textwrap
from pathlib import Path

import pytest

from mindone_tae.zoo.errors import UserError
from mindone_tae.zoo.signatures.signature import check_keywords, check_value, read_signature, signature_of


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a package whose modules all fail if they are imported: write(a="source", b="...") -> package name."""
    package = "static_probe"

    def write(**modules):
        folder = tmp_path / package
        folder.mkdir()
        for name, source in {"__init__": "", **modules}.items():
            future = "from __future__ import annotations\n" if "ANNOTATIONS" in source else ""
            (folder / f"{name}.py").write_text(future + textwrap.dedent(source) + "\nraise SystemExit('imported')\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        return package

    yield write
    assert package not in sys.modules


def described(signature):
    """name -> (required, annotation), and whether anything goes."""
    return {k.name: (k.required, k.annotation) for k in signature.keywords}, signature.takes_any


def test_a_classes_keywords_are_read_without_importing_it(write):
    package = write(
        m="""
        # ANNOTATIONS
        class A(Base):
            @register(x=1)
            def __init__(self, a, b: int, c: "float" = 1.0, *rest, d: list[int] = None, e: str | None = None, f=2):
                pass
        """
    )
    assert described(read_signature(f"{package}.m:A")) == (
        {
            "a": (True, None),
            "b": (True, "int"),
            "c": (False, "'float'"),
            "d": (False, "list[int] | None"),
            "e": (False, "str | None"),
            "f": (False, None),
        },
        False,
    )


def test_static_reading_agrees_with_inspect_on_a_standard_class():
    from zipfile import ZipFile  # plain Python with many defaults

    static, runtime = read_signature("zipfile:ZipFile"), signature_of(ZipFile)
    assert [(k.name, k.required) for k in static.keywords] == [(k.name, k.required) for k in runtime.keywords]


def test_functions_and_open_keywords_are_read(write):
    package = write(m="@decorated\ndef make(width: int, **kwargs): pass")
    assert described(read_signature(f"{package}.m:make")) == ({"width": (True, "int")}, True)


def test_a_reexport_is_followed_to_the_class(write):
    package = write(
        __init__="from .a import Alias as Public",
        a="from .b import Real as Alias",
        b="class Real:\n    def __init__(self, x: int): pass",
    )
    assert described(read_signature(f"{package}:Public")) == ({"x": (True, "int")}, False)


def test_a_class_without_anything_takes_nothing(write):
    package = write(m="class Bare:\n    x = 1")
    assert described(read_signature(f"{package}.m:Bare")) == ({}, False)


def test_the_constructor_of_an_only_base_is_followed(write):
    package = write(
        a="class Far:\n    def __init__(self, far: int): pass",
        m="from .a import Far\nclass Near(Far): pass\nclass Nearer(Near): pass",
    )
    assert described(read_signature(f"{package}.m:Nearer")) == ({"far": (True, "int")}, False)


LATER = ["TwoBases", "FromOutside", "Decorated", "Meta", "New", "Twice", "Assigned", "positional", "Circle", "Missing"]


@pytest.mark.parametrize(
    "target", ["nowhere_at_all.m:A", "math:sqrt", "x", *(f"static_probe.m:{name}" for name in LATER)]
)
def test_what_the_text_does_not_tell_waits_for_the_import(write, target):
    write(
        m="""
        from dataclasses import dataclass
        from outside_of_everything import Base
        from .m import Circle
        class Plain:
            def __init__(self, a): pass
        class TwoBases(Plain, Decorated): pass
        class FromOutside(Base): pass
        @dataclass
        class Decorated:
            a: int
        class Meta(metaclass=type):
            def __init__(self, a): pass
        class New:
            def __new__(cls, a): pass
        try:
            class Twice:
                def __init__(self, a): pass
        except ImportError:
            class Twice:
                def __init__(self, b): pass
        Assigned = Plain
        def positional(a, /, b): pass
        """
    )
    assert read_signature(target) is None


def test_what_waited_is_checked_after_the_import():
    from dataclasses import dataclass

    @dataclass
    class Base:
        a: int

    @dataclass
    class Made(Base):
        b: "list | None" = None

    assert described(signature_of(Made)) == ({"a": (True, "int"), "b": (False, "list | None")}, False)
    values, mistakes = check_keywords(signature_of(Made), {"a": 1, "c": 2})
    assert values == {"a": 1} and [key for key, _ in mistakes] == ["c"]


def test_every_component_of_this_package_is_known_from_its_text():
    from mindone_tae.zoo import names, registry

    for group in registry.GROUPS:
        for name in names(group):
            own = registry.entry_point(group, name).value.startswith("mindone_tae.")
            if own and name != "kl":  # which inherits that it takes nothing
                assert registry.signature(group, name) is not None, (group, name)


ACCEPTED = [
    ("int", 3, 3),
    ("float", 3, 3.0),
    ("float", "1e-5", 1e-5),
    ("str", "256px", "256px"),
    ("bool", True, True),
    ("int | None", None, None),
    ("Optional[float]", "1e-5", 1e-5),
    ("typing.Union[int, str]", "a", "a"),
    ("str | float", "1e-5", "1e-5"),
    ("list[float]", [1, 2], [1.0, 2.0]),
    ("tuple[int, str]", [1, "a"], (1, "a")),
    ("Tuple[int, ...]", [1, 2, 3], (1, 2, 3)),
    ("int | tuple[int, int]", [8, 8], (8, 8)),
    ("Sequence[int]", [1, 2], [1, 2]),
    ("dict[str, float]", {"a": 1}, {"a": 1.0}),
    ('Literal["a", "b"]', "b", "b"),
    ('"int | None"', None, None),
    ("Path", "a/b", Path("a/b")),
    ("np.ndarray", 5, 5),
    ("Size", "anything", "anything"),
    ("not python [", 5, 5),
    (None, 5, 5),
]


@pytest.mark.parametrize(("annotation", "value", "expected"), ACCEPTED)
def test_a_fitting_value_is_converted(annotation, value, expected):
    got = check_value(annotation, value)
    assert got == expected and type(got) is type(expected)


REFUSED = [
    ("int", True, "must be int, not True (bool)"),
    ("int", 1e4, "write 10000"),
    ("int", "3", "must be int, not '3' (str)"),
    ("float", True, "must be float"),
    ("float", "nan", "must be float"),
    ("float", float("inf"), "write a finite number"),
    ("float | None", float("nan"), "write a finite number"),
    ("list[float]", [1.0, float("-inf")], "write a finite number"),
    ("str", 5, 'put it in quotes: "5"'),
    ("bool", "yes", "write true or false"),
    ("bool", 1, "must be bool"),
    ("int", None, "must be int, not None (null)"),
    ("int | None", "a", "must be int or None"),
    ("list[int]", [1, "a"], "must be list[int]"),
    ("list[int]", "12", "write it as [a, b]"),
    ("Sequence[str]", "ab", "must be Sequence[str]"),
    ("tuple[int, int]", [1, 2, 3], "write 2 values"),
    ("dict", [1], "must be dict"),
    (
        'Literal["Ascend", "CPU"] | None',
        "ascend",
        "must be one of 'Ascend', 'CPU' or None, not 'ascend' (str): did you mean 'Ascend'?",
    ),
    ("Literal[0, 1]", True, "must be one of 0, 1"),
    ("Path", 5, "must be Path"),
]


@pytest.mark.parametrize(("annotation", "value", "text"), REFUSED)
def test_a_misfit_is_told_with_rule_and_remedy(annotation, value, text):
    with pytest.raises(UserError) as raised:
        check_value(annotation, value)
    assert text in str(raised.value)


def test_with_open_keywords_only_the_known_ones_are_judged():
    def make(width: int, **kwargs):
        pass

    values, mistakes = check_keywords(signature_of(make), {"width": "wide", "other": 1})
    assert values == {"other": 1}
    assert [key for key, _ in mistakes] == ["width"]
