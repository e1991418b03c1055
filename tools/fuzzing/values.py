"""Values that no honest file holds, and where in a tree of values they are put."""

import json
import math

# 5,000 digits are more than Python turns into a number, or a number into.
DIGITS = "9" * 5000
_DEEP = "[" * 20_000


class Raw(str):
    """Text that stands in JSON as it is, quotes and all left out."""


NUMBERS = [0, -1, 1, 2, 255, 10**9, 2**31, 2**53, 2**63, -(2**63), 2**64, 10**400, 0.5, -0.0, 1e-320, 1e308, -1e308]
NUMBERS += [math.inf, -math.inf, math.nan, Raw("1e400"), Raw(DIGITS)]
TEXTS = [
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "\udcff.mp4",
    "a" * 5000,
    "../../escaped",
    "/etc/hostname",
    "=1+1",
    "@x",
    "tiny",
]
TEXTS += [
    "\x1b[2J\x1b[31m",
    "$\\frac{1}{0}$",
    "$",
    "\u202e",
    "a\nb\r\n",
    "null",
    "nan",
    "1e400",
    "step_1",
    "\U0001f600",
]
OTHERS = [None, True, False, [], {}, [[]], [None], [1, 2], {"": None}, {"a": {"b": 1}}, [0] * 2000, Raw(_DEEP)]
VALUES = [*NUMBERS, *TEXTS, *OTHERS]


def pick(rng, values):
    """One of a list."""
    return values[int(rng.integers(len(values)))]


def places(tree):
    """(container, key) of every value below a tree of dicts and lists."""
    found = []
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in entries:
        found.append((tree, key))
        found += places(value)
    return found


def change(tree, rng):
    """Changes one value of a tree in place: another value, another type, gone, elsewhere, or under another key.

    Returns:
        What was done, in words; None where the tree is empty.
    """
    there = places(tree)
    if not there:
        return None
    container, key = pick(rng, there)
    value = container[key]
    kind = pick(rng, ["value", "value", "value", "type", "near", "gone", "swapped", "key", "more"])
    if kind == "type":
        container[key] = pick(rng, [[value], {"a": value}, str(value), None, bool(value)])
    elif kind == "near" and type(value) in (int, float) and abs(value) < 1e15:
        container[key] = pick(rng, [value + 1, value - 1, -value, value * 1000, value * 10**9, value / 3, float(value)])
    elif kind == "gone":
        del container[key]
    elif kind == "swapped":
        other, name = pick(rng, there)
        value = other.get(name) if isinstance(other, dict) else other[name] if name < len(other) else None
        container[key] = json.loads(json.dumps(value)) if not _is_raw(value) else None  # a copy: no tree holds itself
    elif kind == "key" and isinstance(container, dict):
        container[str(pick(rng, TEXTS + [str(key) * 2, str(key).upper()]))] = container.pop(key)
    elif kind == "more" and isinstance(container, list):
        container.extend([value] * int(pick(rng, [1, 3, 40])))
    else:
        kind, container[key] = "value", pick(rng, VALUES)
    return f"{key}: {kind}"


def _is_raw(value):
    if isinstance(value, (dict, list)):
        return any(_is_raw(entry) for entry in (value.values() if isinstance(value, dict) else value))
    return isinstance(value, Raw)


def as_json(value, rng=None):
    """JSON as anybody may write it: NaN, Raw text, and with `rng` at times a key twice."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        pairs = [f"{json.dumps(str(key))}: {as_json(entry, rng)}" for key, entry in value.items()]
        if rng is not None and pairs and rng.random() < 0.05:
            pairs.append(pick(rng, pairs))
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(as_json(entry, rng) for entry in value) + "]"
    return json.dumps(value)
