"""YAML that remembers where each key stands, and is read safely.

Beyond PyYAML's SafeLoader: 1e-5 is a number, a date stays text, a key given twice is a mistake, and so is a tag that asks for a Python object.
"""

import re
from typing import NamedTuple

import yaml

from ..errors import UserError
from ..signatures.values import plain

COMMAND_LINE = "command line"

class Mark(NamedTuple):
    """Where something was written.

    Attributes:
        source: a file's path, or "command line".
        line: counted from 1; 0 where there are no lines.
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

    def __init__(self, entries=(), mark=None, marks=None):
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


def parse(text, source):
    """Reads YAML text.

    Args:
        text: YAML.
        source: what messages call it: a file's path, or "command line".

    Returns:
        The value, its mappings as MarkedDict; and a list of Problem for keys given twice and for tags.

    Raises:
        UserError: not YAML.
    """
    loader = _Loader(text)
    loader.source, loader.problems = source, []
    try:
        value = loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        raise UserError(f"{_mark(source, error.problem_mark)}: not YAML: {error.problem}{': ' + error.context if error.context else ''}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{source}: not YAML: {error}") from None
    finally:
        loader.dispose()
    return value, loader.problems


def dump(value):
    """YAML text that parse() reads back as the same value; keys in the order given."""
    return yaml.dump(plain(value), Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=120)


_RESOLVERS = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _mark(source, yaml_mark):
    return Mark(source, yaml_mark.line + 1 if yaml_mark is not None and source != COMMAND_LINE else 0)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = {first: list(resolvers) for first, resolvers in _RESOLVERS.items()}

    def mark_of(self, node):
        return _mark(self.source, node.start_mark)


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers = {first: list(resolvers) for first, resolvers in _RESOLVERS.items()}

    def ignore_aliases(self, data):
        return True


def _represent_list(dumper, data):
    """Numbers and words side by side, mappings below each other."""
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=not any(isinstance(e, (dict, list)) for e in data))


_EXPONENT = re.compile(r"^[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?[eE][-+]?[0-9]+$")
for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+0123456789"))


def _construct_mapping(loader, node):
    marks = {}
    for key_node, _ in node.value:  # before the merge keys are filled in: those may repeat what is written here
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = loader.construct_object(key_node, deep=True)
        try:
            if key in marks:
                text = f"given twice, first in line {marks[key].line}: keep one" if marks[key].line else "given twice: keep one"
                loader.problems.append(Problem(loader.mark_of(key_node), str(key), text))
            marks.setdefault(key, loader.mark_of(key_node))
        except TypeError:  # a list or mapping as a key
            raise yaml.constructor.ConstructorError(None, None, "a key must be a word", key_node.start_mark) from None
    loader.flatten_mapping(node)
    entries = {loader.construct_object(k, deep=True): loader.construct_object(v, deep=True) for k, v in node.value}
    return MarkedDict(entries, loader.mark_of(node), {key: marks.get(key, loader.mark_of(node)) for key in entries})


def _construct_unknown(loader, node):
    loader.problems.append(
        Problem(loader.mark_of(node), "", f"tag {node.tag} is not allowed: a recipe holds plain values only; remove the tag")
    )
    return None


_Loader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)
_Loader.add_constructor(None, _construct_unknown)
_Dumper.add_representer(list, _represent_list)
