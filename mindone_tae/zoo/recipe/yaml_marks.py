"""Safe YAML loading that records the line of each key.

Beyond PyYAML's SafeLoader: 1e-5 is a number, a date stays text, and a key given twice or any tag is a mistake. Anchors
and merge keys are counted before they are expanded: a few hundred bytes may expand to more values than memory holds.
"""

import re
from typing import Any, NamedTuple

import yaml

from ..errors import UserError
from ..signatures.values import plain

COMMAND_LINE = "command line"

# Recipes have about 200 values in 3000 characters; PyYAML reads 100,000 a second.
_MOST_CHARACTERS = 200_000
_MOST_VALUES = 20_000
_DEEPEST = 50
# Integers are limited to 64 bits: larger ones are no setting, and Python refuses to print very long ones.
_LARGEST_INT = 2**63


class Mark(NamedTuple):
    """Where something was written.

    Attributes:
        source: a file's path, or "command line".
        line: from 1; 0 on the command line.
    """

    source: str
    line: int = 0

    def __str__(self):
        return f"{self.source}:{self.line}" if self.line else self.source


class MarkedDict(dict):
    """A dict that knows where it and each of its keys were written.

    Attributes:
        mark: Mark of the mapping itself.
        marks: key to Mark.
    """

    def __init__(self, entries=(), mark: Mark | None = None, marks: dict[str, Mark] | None = None):
        super().__init__(entries)
        self.mark = mark
        self.marks = dict(marks or {})


class Problem(NamedTuple):
    """One mistake in a recipe.

    Attributes:
        mark: Mark, where it stands.
        path: dotted path of the key, or "".
        text: the rule, the value, the remedy.
    """

    mark: Mark
    path: str
    text: str

    def __str__(self):
        return f"{self.mark}: {self.path}: {self.text}" if self.path else f"{self.mark}: {self.text}"


def parse(text: str, source: str) -> tuple[Any, list[Problem]]:
    """Reads YAML text.

    Args:
        text: YAML.
        source: its name in messages: a file's path, or "command line".

    Returns:
        The value, its mappings as MarkedDict; and a list of Problem for keys given twice, tags, and values that no key
        can have.

    Raises:
        UserError: not YAML, or larger than a recipe can be.
    """
    if len(text) > _MOST_CHARACTERS:
        raise UserError(
            f"{source}: it has {len(text)} characters; a recipe has at most {_MOST_CHARACTERS}: give a recipe"
        )
    try:
        loader = _Loader(text)
        loader.source, loader.problems = source, []
        node = loader.get_single_node()
        if node is None:
            return None, []
        _check_unfolded(node, source)
        return loader.construct_document(node), loader.problems
    except UserError:
        raise
    except yaml.MarkedYAMLError as error:
        context = f": {error.context}" if error.context else ""
        raise UserError(f"{_mark(source, error.problem_mark)}: not YAML: {error.problem}{context}") from None
    except yaml.reader.ReaderError as error:
        where = Mark(source, text.count("\n", 0, error.position) + 1)
        raise UserError(
            f"{where}: not YAML: the character {chr(error.character)!r} is not allowed: remove it"
        ) from None
    except Exception as error:  # PyYAML's constructors raise any kind of error for malformed values
        raise UserError(f"{source}: not YAML: {str(error) or type(error).__name__}") from None


def _check_unfolded(node, source):
    """Raises UserError where a node, with its aliases expanded, is larger than a recipe can be."""
    known = {}  # id of a node: (values, levels) below it; None while it is being looked at

    def measure(node):
        if id(node) in known:
            if known[id(node)] is None:
                raise UserError(f"{_mark(source, node.start_mark)}: a value holds itself by an alias: write it out")
            return known[id(node)]
        known[id(node)] = None
        inner = [] if isinstance(node, yaml.ScalarNode) else node.value
        if isinstance(node, yaml.MappingNode):
            inner = [part for pair in inner for part in pair]
        measured = [measure(part) for part in inner]
        values, levels = 1 + sum(count for count, _ in measured), 1 + max((depth for _, depth in measured), default=0)
        for count, most, what in ((values, _MOST_VALUES, "values"), (levels, _DEEPEST, "levels")):
            if count > most:
                where = _mark(source, node.start_mark)
                raise UserError(
                    f"{where}: with its aliases expanded it has more than {most} {what}, and a recipe has fewer: "
                    "write it without aliases"
                )
        known[id(node)] = values, levels
        return values, levels

    measure(node)


def dump(value: Any) -> str:
    """YAML text that parse() reads back as the same value; keys in the order given."""
    return yaml.dump(
        plain(value), Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=120
    )


def _mark(source, yaml_mark):
    return Mark(source, yaml_mark.line + 1 if yaml_mark is not None and source != COMMAND_LINE else 0)


class _Resolver(yaml.resolver.Resolver):
    """Which plain words are numbers: 1e-5 is one, a date is not."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.resolver.Resolver.yaml_implicit_resolvers.items()
    }


_EXPONENT = re.compile(r"^[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?[eE][-+]?[0-9]+$")
_Resolver.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+0123456789"))


class _Loader(_Resolver, yaml.SafeLoader):
    yaml_constructors = {
        f"tag:yaml.org,2002:{kind}": yaml.SafeLoader.yaml_constructors[f"tag:yaml.org,2002:{kind}"]
        for kind in ("null", "bool", "int", "float", "str", "seq", "map")
    }

    def mark_of(self, node):
        return _mark(self.source, node.start_mark)

    def report(self, node, text, path=""):
        self.problems.append(Problem(self.mark_of(node), path, text))


class _Dumper(_Resolver, yaml.SafeDumper):
    def ignore_aliases(self, data):
        return True


def _represent_list(dumper, data):
    """Numbers and words side by side, mappings below each other."""
    return dumper.represent_sequence(
        "tag:yaml.org,2002:seq", data, flow_style=not any(isinstance(e, (dict, list)) for e in data)
    )


def _construct_mapping(loader, node):
    marks = {}
    for key_node, _ in node.value:  # before merge keys are expanded, which may repeat keys written here
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = loader.construct_object(key_node, deep=True)
        try:
            if key in marks:
                first = f", first in line {marks[key].line}" if marks[key].line else ""
                loader.report(key_node, f"given twice{first}: keep one", str(key))
            marks.setdefault(key, loader.mark_of(key_node))
        except TypeError:  # a list or mapping as a key
            raise yaml.constructor.ConstructorError(None, None, "a key must be a word", key_node.start_mark) from None
    loader.flatten_mapping(node)
    entries = {loader.construct_object(k, deep=True): loader.construct_object(v, deep=True) for k, v in node.value}
    return MarkedDict(entries, loader.mark_of(node), {key: marks.get(key, loader.mark_of(node)) for key in entries})


def _construct_unknown(loader, node):
    loader.report(node, f"tag {node.tag} is not allowed: a recipe holds plain values only; remove the tag")


def _construct_int(loader, node):
    try:
        value = loader.construct_yaml_int(node)
    except (ValueError, IndexError):  # Python does not read longer ones; a tag may stand before anything
        value = _LARGEST_INT
    if abs(value) < _LARGEST_INT:
        return value
    loader.report(node, "not a whole number that fits 64 bits: write a smaller one")
    return 0


def _construct_str(loader, node):
    value = loader.construct_yaml_str(node)
    wrong = _IN_NO_TEXT.search(value)
    if wrong:
        loader.report(node, f"a text holds {wrong[0]!r}, which no name and no path can hold: remove it")
    return value


# NUL, and surrogates except those that Python decodes bytes of non-UTF-8 names to.
_IN_NO_TEXT = re.compile("[\x00\ud800-\udc7f\udd00-\udfff]")
_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
_Loader.add_constructor("tag:yaml.org,2002:str", _construct_str)
_Loader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)
_Loader.add_constructor(None, _construct_unknown)
_Dumper.add_representer(list, _represent_list)
