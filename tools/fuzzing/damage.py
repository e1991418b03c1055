"""Damage by the structure of a file of text, so that it gets past the first check; and of the bytes of any."""

import csv
import io
import json
import re

import yaml
from fuzz_readers import damage as damage_bytes

from .values import DIGITS, TEXTS, VALUES, as_json, change, pick

_BYTES_SHARE = 0.15
_YAML = ["", "null", "~", "[]", "{}", "[a", "&a [*a]", "*nobody", "!!python/object:os.system x", "!!binary AAAA", "- 1"]
_YAML += [".inf", "-.inf", ".nan", "1e400", "1e-400", DIGITS, "0x" + "f" * 40, "1:60:60", "2001-01-01", "1_000", "yes"]
_YAML += ['"\\0"', '"\\ud800"', '"\\x1b[2J"', "'", "|", ">-", "{? [a]: b}", "{a: 1, a: 2}", "{<<: {a: 1}}", "<<", "@x"]
_YAML += ["&a {b: &c [1, 2]}", "../../x", "%", "'$x$'", "1e30", "-1", "0", "999999999999", "[1, [2, [3, [4]]]]", "true"]


def damaged(path, by_format, rng):
    """Damages a file in place.

    Args:
        path: the file.
        by_format: a function (content, rng) to (content, what was done).
        rng: numpy.random.Generator.

    Returns:
        What was done, in words.
    """
    content = path.read_bytes()
    if rng.random() >= _BYTES_SHARE:
        content, told = by_format(content, rng)
        for _ in range(int(pick(rng, [0, 0, 0, 1, 3]))):
            try:
                content, told = by_format(content, rng)
            except Exception:  # it is no file of its format any more
                told, content = damage_bytes(content.ljust(64), rng)
    else:
        told, content = damage_bytes(content.ljust(64), rng)
    path.write_bytes(content)
    return told


def of_json(content, rng):
    """A file of JSON."""
    return _reparsed(content, rng, json.loads)


def of_lines(content, rng):
    """A file of a JSON value a line."""
    lines = content.split(b"\n")
    number = int(rng.integers(len(lines)))
    kind = pick(rng, ["changed", "changed", "changed", "gone", "twice", "cut", "joined"])
    if kind == "changed":
        lines[number], kind = of_json(lines[number], rng)
    elif kind == "twice":
        lines.insert(number, lines[number])
    elif kind == "cut":
        lines[number] = lines[number][: len(lines[number]) // 2] + pick(rng, [b"", b"\0", b"\r", b"\xff", bytes(4096)])
    elif kind == "joined":
        lines[number : number + 2] = [b"".join(lines[number : number + 2])]
    else:
        del lines[number]
    return b"\n".join(lines), f"line {number}: {kind}"


def of_yaml(content, rng):
    """A recipe: a value of its tree (JSON is YAML), or of its text."""
    text = content.decode("utf-8", "surrogateescape")
    if rng.random() < 0.4:
        return _reparsed(content, rng, lambda text: yaml.safe_load(text))
    lines = text.split("\n")
    keyed = [number for number, line in enumerate(lines) if re.match(r"\s*[\w.]+:", line)] or [0]
    number = pick(rng, keyed)
    head = lines[number].partition(":")[0]
    kind = pick(rng, ["value", "value", "value", "twice", "gone", "deeper", "merged", "key"])
    if kind == "value":
        lines[number] = f"{head}: {pick(rng, _YAML)}"
    elif kind == "twice":
        lines.insert(number, lines[number])
    elif kind == "gone":
        del lines[number]
    elif kind == "deeper":
        lines[number] = f"  {lines[number]}"
    elif kind == "key":
        lines[number] = f"{pick(rng, _YAML)}:{lines[number].partition(':')[2]}"
    else:
        level = " " * (len(head) - len(head.lstrip()))
        lines.insert(number, f"{level}x{number}: &x {pick(rng, _YAML)}\n{level}<<: *x")
    return "\n".join(lines).encode("utf-8", "surrogateescape"), f"line {number}: {kind}"


def of_table(content, rng):
    """A csv or tsv: a cell, a column, a row, or how it is written."""
    text = content.decode("utf-8", "surrogateescape")
    rows = list(csv.reader(io.StringIO(text)))
    kind = pick(rng, ["cell", "cell", "cell", "cell", "row", "column", "quote", "separator", "encoding", "head"])
    row = rows[int(rng.integers(len(rows)))]
    if kind == "cell" and row:
        row[int(rng.integers(len(row)))] = str(pick(rng, VALUES))
    elif kind == "row":
        rows.insert(int(rng.integers(len(rows) + 1)), pick(rng, [[], [""], row, row * 2, row[:-1]]))
    elif kind == "column":
        at = int(rng.integers(len(rows[0]) or 1))
        rows = [[*line[:at], *line[at + 1 :]] for line in rows]
    elif kind == "head" and rows[0]:
        rows[0][int(rng.integers(len(rows[0])))] = str(pick(rng, [*TEXTS, *rows[0]]))
    parts = pick(rng, [",", ";", "\t", "\0"]) if kind == "separator" else ","
    quoted = [[f'"{cell}"' if set(cell) & set(',"\n\r') else cell for cell in line] for line in rows]
    text = "\n".join(parts.join(line) for line in quoted)
    if kind == "quote":
        at = int(rng.integers(len(text) or 1))
        text = text[:at] + pick(rng, ['"', '"\n', '""', "'"]) + text[at:]
    if kind == "separator":
        text = pick(rng, ["sep=;\n", "sep=\0\n", 'sep="\n', ""]) + text
    coding = pick(rng, ["utf-16", "utf-8-sig", "latin-1"]) if kind == "encoding" else "utf-8"
    return text.encode(coding, "surrogatepass" if coding.startswith("utf") else "replace"), kind


def of_bytes(content, rng):
    """Any file."""
    return damage_bytes(content.ljust(64), rng)[::-1]


def _reparsed(content, rng, parse):
    text = content.decode("utf-8", "surrogatepass")
    if not text.strip():
        return as_json(pick(rng, VALUES)).encode("utf-8", "surrogatepass"), "more"
    tree = parse(text)
    held = [tree] if not isinstance(tree, (dict, list)) or rng.random() < 0.05 else tree  # its own place is one too
    told = change(held, rng)
    text = as_json(held if held is tree else held[0] if held else "", rng)
    if rng.random() < 0.1:  # bytes of half characters, where others write escapes
        text = text.replace("\\ud800", "\ud800").replace("\\udcff", "\udcff")
    return text.encode("utf-8", "surrogatepass"), str(told)
