"""The keywords of a component's constructor, and values checked against them.

A recipe is checked before anything heavy is imported, so a plain `__init__` or function is parsed from the file that an
entry point names. Any other constructor (of a dataclass, a metaclass, several bases) is checked when it is imported.
"""

import ast
import inspect
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass

from ..errors import UserError, did_you_mean, listed
from .definitions import find_definition
from .values import check_value


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
    """The keywords of a constructor.

    Attributes:
        keywords: in the order written.
        takes_any: it has **kwargs, so that any keyword goes.
    """

    keywords: tuple = ()
    takes_any: bool = False

    def takes(self, name: str) -> bool:
        """Whether a keyword of this name may be given."""
        return self.takes_any or any(keyword.name == name for keyword in self.keywords)

    def and_also(self, keyword: Keyword) -> "Signature":
        """This signature with one more keyword, which the host handles where the component does not."""
        return self if self.takes(keyword.name) else Signature((*self.keywords, keyword), self.takes_any)

    def without(self, names: Container[str]) -> "Signature":
        """This signature without the keywords of these names, which the host gives itself."""
        return Signature(tuple(keyword for keyword in self.keywords if keyword.name not in names), self.takes_any)


def read_signature(target: str) -> Signature | None:
    """The signature of "module:Class" or "module:function", without importing anything.

    Returns:
        A Signature, or None where the source text is not enough.
    """
    module, _, name = (part.strip() for part in target.partition("[")[0].partition(":"))  # "module:Class [extra]"
    found = find_definition(module, name) if module and name.isidentifier() else None
    if found is None:
        return None
    return _of_class(*found) if isinstance(found[1], ast.ClassDef) else _of_arguments(found[1].args, skip=0)


def _of_class(module, node):
    """The Signature of a class's own __init__, or of its only base's; None for any other."""
    own = {entry.name: entry for entry in node.body if isinstance(entry, ast.FunctionDef)}
    if node.decorator_list or node.keywords or "__new__" in own:
        return None
    if "__init__" in own:
        return _of_arguments(own["__init__"].args, skip=1)
    if not node.bases:
        return Signature()
    only = node.bases[0].id if len(node.bases) == 1 and isinstance(node.bases[0], ast.Name) else None
    base = find_definition(module, only) if only and only != node.name else None
    return _of_class(*base) if base and isinstance(base[1], ast.ClassDef) else None


def signature_of(component: Callable) -> Signature | None:
    """The signature of an imported class or function, or None for one that inspect cannot read."""
    try:
        parameters = inspect.signature(component).parameters.values()
    except (TypeError, ValueError):
        return None
    taken = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    keywords = tuple(_keyword(p.name, p.default is p.empty, _annotation_text(p), p.default is None) for p in taken)
    return Signature(keywords, any(p.kind is p.VAR_KEYWORD for p in parameters))


def check_keywords(
    signature: Signature | None, given: Mapping, whole: bool = True
) -> tuple[dict, list[tuple[str, str]]]:
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
        mistakes += [
            (name, f"is required and not given: add it ({known[name].annotation or 'any value'})") for name in missing
        ]
    return values, mistakes


def _of_arguments(arguments, skip):
    """The Signature of a def; skip: number of leading arguments that Python gives (self)."""
    if arguments.posonlyargs:
        return None  # no keyword can give them
    defaults = [None] * (len(arguments.args) - len(arguments.defaults)) + arguments.defaults
    taken = list(zip(arguments.args, defaults))[skip:] + list(zip(arguments.kwonlyargs, arguments.kw_defaults))
    keywords = tuple(_keyword_from(argument.arg, argument.annotation, default) for argument, default in taken)
    return Signature(keywords, arguments.kwarg is not None)


def _keyword_from(name, annotation, default):
    none_by_default = isinstance(default, ast.Constant) and default.value is None
    return _keyword(name, default is None, ast.unparse(annotation) if annotation is not None else None, none_by_default)


def _keyword(name, required, annotation, none_by_default):
    """A Keyword; `milestones: list = None` is read as `list | None`."""
    if annotation is not None and none_by_default and "None" not in annotation and "Optional" not in annotation:
        annotation = f"{annotation} | None"
    return Keyword(name, required, annotation)


def _annotation_text(parameter):
    annotation = parameter.annotation
    if annotation is parameter.empty:
        return None
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
