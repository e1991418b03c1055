"""The keywords that a component's constructor takes, read from its source text.

A recipe is checked before anything heavy is imported, so the keywords are found by parsing the file that an entry point names. Where the text
does not tell (see `definitions`), the answer is None and the check waits until the component is imported.
"""

import ast
import inspect
from dataclasses import dataclass

from ..errors import UserError, did_you_mean, listed
from .definitions import find_definition, read_module
from .values import check_value

__all__ = ["Keyword", "Signature", "check_keywords", "check_value", "read_signature", "signature_of"]

_BARE_BASES = {"object", "ABC", "Generic", "Protocol"}  # bases that bring no constructor


@dataclass(frozen=True)
class Keyword:
    """One keyword of a constructor.

    Attributes:
        name: the keyword.
        required: it has no default.
        annotation: source text of its type, "X | None" where the default is None; or None.
    """

    name: str
    required: bool
    annotation: "str | None" = None


@dataclass(frozen=True)
class Signature:
    """What a constructor takes by keyword.

    Attributes:
        keywords: in the order written.
        takes_any: it has **kwargs, so that any keyword goes.
    """

    keywords: tuple = ()
    takes_any: bool = False

    def takes(self, name):
        """Whether a keyword of this name may be given."""
        return self.takes_any or any(keyword.name == name for keyword in self.keywords)

    def and_also(self, keyword):
        """The same with one more keyword, which the host sees to where the component does not."""
        return self if self.takes(keyword.name) else Signature((*self.keywords, keyword), self.takes_any)

    def without(self, names):
        """The same without the keywords of these names: the host gives those itself."""
        return Signature(tuple(keyword for keyword in self.keywords if keyword.name not in names), self.takes_any)


def read_signature(target):
    """The signature of "module:Class" or "module:function", without importing anything.

    Returns:
        A Signature, or None where the source text does not tell.
    """
    module_name, _, name = (part.strip() for part in target.partition("[")[0].partition(":"))  # "module:Class [extra]"
    if not module_name or not name.isidentifier():
        return None
    found = find_definition(read_module(module_name), name)
    return None if found is None else _of_definition(*found)


def signature_of(component):
    """The signature of an imported class or function, or None for one that inspect cannot read."""
    try:
        parameters = inspect.signature(component).parameters.values()
    except (TypeError, ValueError):
        return None
    taken = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    keywords = tuple(_keyword(p.name, p.default is p.empty, _annotation_text(p), p.default is None) for p in taken)
    return Signature(keywords, any(p.kind is p.VAR_KEYWORD for p in parameters))


def check_keywords(signature, given, whole=True):
    """Checks keywords against a signature.

    Args:
        signature: a Signature, or None: then everything passes.
        given: keyword to value.
        whole: a required keyword that is not given is a mistake.

    Returns:
        The values, converted as the annotations ask; and the mistakes as (keyword, text) pairs.
    """
    if signature is None:
        return dict(given), []
    known = {keyword.name: keyword for keyword in signature.keywords}
    values, mistakes = {}, []
    for name, value in given.items():
        if name in known:
            try:
                values[name] = check_value(known[name].annotation, value)
            except UserError as error:
                mistakes.append((name, str(error)))
        elif signature.takes_any:
            values[name] = value
        else:
            mistakes.append((name, f"no such keyword{did_you_mean(name, known)} (known: {listed(known)})"))
    if whole:
        missing = [name for name, keyword in known.items() if keyword.required and name not in given]
        mistakes += [(name, f"is required and not given: add it ({known[name].annotation or 'any value'})") for name in missing]
    return values, mistakes


def _of_definition(module, node):
    if isinstance(node, ast.ClassDef):
        return _of_class(module, node)
    return _of_arguments(node.args, skip=0)


def _of_class(module, node):
    found = _constructor(module, node, frozenset())
    if found is None:
        return None
    return found if isinstance(found, Signature) else _of_arguments(found.args, skip=1)


def _constructor(module, node, seen):
    """The __init__ node, or the Signature of a dataclass or of a class without constructor; None: not known."""
    if (module.name, node.name) in seen or any(keyword.arg == "metaclass" for keyword in node.keywords):
        return None
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            return statement
        if isinstance(statement, ast.FunctionDef) and statement.name == "__new__":
            return None
    bases = [base for base in node.bases if _last_name(base) not in _BARE_BASES]
    if _is_dataclass(node):
        return _of_dataclass(module, node, bases)
    if not bases:
        return Signature()
    # With several bases the order of search is Python's to know: only the first one's own __init__ is certain.
    found = find_definition(module, bases[0].id) if isinstance(bases[0], ast.Name) else None
    if found is None or not isinstance(found[1], ast.ClassDef):
        return None
    owns = any(isinstance(entry, ast.FunctionDef) and entry.name == "__init__" for entry in found[1].body)
    return _constructor(*found, seen | {(module.name, node.name)}) if owns or len(bases) == 1 else None


def _of_arguments(arguments, skip):
    """The Signature of a def; skip: leading arguments that Python fills (self)."""
    positional = arguments.posonlyargs + arguments.args
    defaults = [None] * (len(positional) - len(arguments.defaults)) + arguments.defaults
    by_position = list(zip(positional, defaults))[skip:]
    only_by_position = max(len(arguments.posonlyargs) - skip, 0)
    if any(default is None for _, default in by_position[:only_by_position]):
        return None  # no keyword can give it
    taken = by_position[only_by_position:] + list(zip(arguments.kwonlyargs, arguments.kw_defaults))
    keywords = tuple(_keyword_from(argument.arg, argument.annotation, default) for argument, default in taken)
    return Signature(keywords, arguments.kwarg is not None)


def _of_dataclass(module, node, bases):
    keywords = {}
    for base in reversed(bases):
        found = find_definition(module, base.id) if isinstance(base, ast.Name) else None
        if found is None or not isinstance(found[1], ast.ClassDef) or not _is_dataclass(found[1]):
            return None
        inherited = _constructor(*found, frozenset({(module.name, node.name)}))
        if not isinstance(inherited, Signature):
            return None
        keywords.update((keyword.name, keyword) for keyword in inherited.keywords)
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            field = _of_field(statement)
            if field is not None:
                keywords[field.name] = field
    return Signature(tuple(keywords.values()))


def _of_field(statement):
    kind = statement.annotation.value if isinstance(statement.annotation, ast.Subscript) else statement.annotation
    if _last_name(kind) in ("ClassVar", "KW_ONLY"):
        return None
    default = statement.value
    if isinstance(default, ast.Call) and _last_name(default.func) == "field":
        options = {option.arg: option.value for option in default.keywords}
        if isinstance(options.get("init"), ast.Constant) and options["init"].value is False:
            return None
        default = options.get("default", options.get("default_factory"))
    return _keyword_from(statement.target.id, statement.annotation, default)


def _keyword_from(name, annotation, default):
    none_by_default = isinstance(default, ast.Constant) and default.value is None
    return _keyword(name, default is None, ast.unparse(annotation) if annotation is not None else None, none_by_default)


def _keyword(name, required, annotation, none_by_default):
    """A Keyword; `milestones: list = None` is understood as `list | None`."""
    if annotation is not None and none_by_default and "None" not in annotation and "Optional" not in annotation:
        annotation = f"{annotation} | None"
    return Keyword(name, required, annotation)


def _annotation_text(parameter):
    annotation = parameter.annotation
    if annotation is parameter.empty:
        return None
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _is_dataclass(node):
    for decorator in node.decorator_list:
        call = isinstance(decorator, ast.Call)
        if _last_name(decorator.func if call else decorator) == "dataclass":
            options = {option.arg: option.value for option in decorator.keywords} if call else {}
            return not (isinstance(options.get("init"), ast.Constant) and options["init"].value is False)
    return False


def _last_name(node):
    if isinstance(node, ast.Subscript):
        node = node.value
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else None
