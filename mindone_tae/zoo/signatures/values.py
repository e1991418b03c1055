"""Checks values from a YAML file against annotations, and converts them.

Only types that a recipe can hold are checked: int, float, str, bool, None, list, tuple, Sequence, dict, Literal, Path
and unions of them. Any other annotation accepts everything: refusing a right value is worse than passing a wrong one to
the constructor.
"""

import ast
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import UserError, did_you_mean
from ..printable import shown

# None: any sequence, kept as it is.
_SEQUENCES = {"list": list, "tuple": tuple, "Sequence": None, "Iterable": None, "Collection": None}
_MAPPINGS = {"dict", "Mapping", "MutableMapping"}
_ALIASES = {"List": "list", "Tuple": "tuple", "Dict": "dict", "NoneType": "None"}
_MODULES = {"typing", "typing_extensions", "t", "collections", "abc", "pathlib", "builtins"}


class _Misfit(Exception):
    """The value does not fit; the text is the remedy, or empty."""


def check_value(annotation: str | None, value: Any) -> Any:
    """Checks a value, and converts it: an int or "1e-5" to a float, a list to a tuple, a str to a Path.

    Args:
        annotation: the annotation's source text, such as "float | None", or None without an annotation.
        value: the value in the YAML file.

    Returns:
        The value, converted to the annotated type where they differ.

    Raises:
        UserError: the value does not fit. The text starts with "must be".
    """
    form = _parsed(annotation)
    if form is None:
        return value
    try:
        return _fit(form, value, exact=False)
    except _Misfit as misfit:
        remedy = f": {misfit}" if str(misfit) else ""
        raise UserError(f"must be {_readable(form)}, not {shown(value)} ({_kind(value)}){remedy}") from None


def plain(value: Any) -> Any:
    """The value in YAML's own types: tuples as lists, paths as strings, mappings as dicts."""
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    return str(value) if isinstance(value, Path) else value


def _parsed(annotation):
    if annotation is None:
        return None
    try:
        return ast.parse(annotation.strip(), mode="eval").body
    except SyntaxError:
        return None


def _name(form):
    """The bare name of a type, or None for one of a module whose types are not checked here."""
    module, _, name = ast.unparse(form).rpartition(".")
    known = not module or module.rpartition(".")[2] in _MODULES
    return _ALIASES.get(name, name) if known else None


def _arguments(form):
    return list(form.slice.elts) if isinstance(form.slice, ast.Tuple) else [form.slice]


def _members(form):
    """The alternatives of a union, in the order written; [form] where it is none."""
    if isinstance(form, ast.BinOp) and isinstance(form.op, ast.BitOr):
        return _members(form.left) + _members(form.right)
    if isinstance(form, ast.Constant) and isinstance(form.value, str):  # a forward reference
        inner = _parsed(form.value)
        return [form] if inner is None else _members(inner)
    if isinstance(form, ast.Subscript):
        name = _name(form.value)
        if name == "Optional":
            return _members(form.slice) + [ast.Constant(None)]
        if name == "Union":
            return [member for argument in _arguments(form) for member in _members(argument)]
    return [form]


def _fit(form, value, exact):
    """Converts a value, or raises _Misfit; exact: values of another type are not converted."""
    members = _members(form)
    if len(members) > 1:
        remedies = []
        # The value's own type first: in `str | float`, "1e-5" stays a str.
        for attempt in (True,) if exact else (True, False):
            for member in members:
                try:
                    return _fit(member, value, attempt)
                except _Misfit as misfit:
                    remedies.append(str(misfit))
        raise _Misfit(next(filter(None, remedies), ""))
    form = members[0]
    if isinstance(form, ast.Subscript):
        return _fit_subscript(_name(form.value), _arguments(form), value, exact)
    return _fit_simple(_name(form), value, exact)


def _require(fits, value, remedy=""):
    if not fits:
        raise _Misfit(remedy)
    return value


def _fit_simple(name, value, exact):
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if name == "int":
        whole = isinstance(value, float) and value.is_integer()
        return _require(number and isinstance(value, int), value, f"write {int(value)}" if whole else "")
    if name == "float":
        if isinstance(value, float):
            return _require(math.isfinite(value), value, "write a finite number")
        if exact:
            return _require(False, value)
        return float(value) if number else _number_in_text(value)
    if name == "bool":
        return _require(isinstance(value, bool), value, "write true or false")
    if name == "str":
        return _require(isinstance(value, str), value, f'put it in quotes: "{value}"' if number else "")
    if name == "Path":
        _require(isinstance(value, (str, Path)), value)
        return value if exact else Path(value)
    if name == "None":
        return _require(value is None, value)
    if name in _SEQUENCES:
        return _sequence(name, value, exact)
    if name in _MAPPINGS:
        return _require(isinstance(value, Mapping), value)
    return value


def _fit_subscript(name, arguments, value, exact):
    if name == "Literal":
        try:
            options = [ast.literal_eval(argument) for argument in arguments]
        except ValueError:  # an enum's member
            return value
        near = did_you_mean(value, [option for option in options if isinstance(option, str)]).removeprefix("; ")
        return _require(any(type(option) is type(value) and option == value for option in options), value, near)
    if name in _SEQUENCES:
        kept = _sequence(name, value, exact)
        open_ended = len(arguments) == 2 and isinstance(arguments[1], ast.Constant) and arguments[1].value is Ellipsis
        if name == "tuple" and not open_ended:
            _require(len(kept) == len(arguments), value, f"write {len(arguments)} values")
        else:
            arguments = [arguments[0]] * len(kept)
        return type(kept)(_fit(argument, entry, exact) for argument, entry in zip(arguments, kept))
    if name in _MAPPINGS:
        _require(isinstance(value, Mapping), value)
        key_form, value_form = (arguments * 2)[:2]
        return {_fit(key_form, key, exact): _fit(value_form, entry, exact) for key, entry in value.items()}
    return value


def _sequence(name, value, exact):
    wanted = _SEQUENCES[name]
    _require(isinstance(value, wanted if exact and wanted else (list, tuple)), value, "write it as [a, b]")
    return value if wanted is None else wanted(value)


def _number_in_text(value):
    """1e-05 from "1e-5"; words such as "nan" are not numbers here."""
    try:
        number = float(value) if isinstance(value, str) else math.nan
    except ValueError:
        number = math.nan
    return _require(math.isfinite(number), number)


def _kind(value):
    return "null" if value is None else type(value).__name__


def _readable(form):
    return " or ".join(_readable_member(member) for member in _members(form))


def _readable_member(form):
    if isinstance(form, ast.Subscript) and _name(form.value) == "Literal":
        return "one of " + ", ".join(ast.unparse(argument) for argument in _arguments(form))
    return ast.unparse(form)
