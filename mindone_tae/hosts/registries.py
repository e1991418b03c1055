"""Registers this package's components in the registry of a host that does not read entry points."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import distribution

from mindone_tae.zoo.errors import UserError, did_you_mean, listed
from mindone_tae.zoo.registry import GROUPS, get

_PACKAGE = __name__.partition(".")[0]
# Also registered among the models: a class with from_pretrained and from_config.
_FACE = "AutoencoderKLTAE"
KINDS = tuple(group.removeprefix("mindone.") for group in GROUPS)


def register_into(register: Callable, kinds: Mapping[str, str] | Iterable[str] | str = KINDS) -> list[tuple[str, str]]:
    """Registers models, blocks, datasets, losses and metrics with a host's own decorator, by their names in recipes.

    Among the models is AutoencoderKLTAE, which has from_pretrained and from_config.

    Args:
        register: `register(name)` or `register(kind, name)`, either returning a decorator: a registry's method, or a
            lambda around one that takes other arguments.
        kinds: which of "models", "blocks", "datasets", "losses", "metrics", or one of them; a mapping also gives the
            host's name of each, {"models": "models", "losses": "loss"}.

    Returns:
        (kind, name) of each registered object, kinds by the host's names.

    Raises:
        UserError: `register` takes neither one argument nor two, a kind is unknown, or two objects would get one name
            where the host has no kinds.
    """
    takes_kind = _takes_kind(register)
    kinds = [kinds] if isinstance(kinds, str) else kinds
    theirs = dict(kinds) if isinstance(kinds, Mapping) else {kind: kind for kind in kinds}
    for kind in theirs:
        if kind not in KINDS:
            raise UserError(f"unknown kind {kind!r}{did_you_mean(kind, KINDS)} (kinds: {listed(KINDS)})")
    found = [(kind, name) for kind in theirs for name in _names(kind)]
    if not takes_kind:
        _check_apart(found)
    for kind, name in found:
        decorator = register(theirs[kind], name) if takes_kind else register(name)
        decorator(_object(kind, name))
    return [(theirs[kind], name) for kind, name in found]


def _names(kind):
    """This package's own names of a kind, without those of other installed packages."""
    ours = sorted(point.name for point in distribution(_PACKAGE).entry_points if point.group == f"mindone.{kind}")
    return [*ours, _FACE] if kind == "models" else ours


def _object(kind, name):
    if name == _FACE:
        from .autoencoder_kl_tae import AutoencoderKLTAE

        return AutoencoderKLTAE
    return get(kind, name)


def _check_apart(found):
    for _, name in found:
        kinds = [kind for kind, other in found if other == name]
        if len(kinds) > 1:
            raise UserError(
                f"{name!r} is a name in {' and in '.join(kinds)}, and the host's register takes a name alone: "
                f"choose with kinds=[...], or give a lambda that tells them apart"
            )


def _takes_kind(register):
    """Whether a host's register takes a kind before the name.

    Decided by its arguments without a default; where all have one, as in MindFormers' register(module_type=...,
    alias=None, ...), by the arguments' names.
    """
    try:
        parameters = inspect.signature(register).parameters.values()
    except (TypeError, ValueError):
        parameters = ()
    taken = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p for p in taken if p.default is p.empty]
    if len(required) in (1, 2):
        return len(required) == 2
    if not required and taken:
        if len(taken) == 1 or _means_name(taken[0]):
            return False
        if _means_name(taken[1]):
            return True
    shown = f"({', '.join(str(p) for p in parameters)})" if parameters else "a signature that cannot be read"
    raise UserError(
        f"register has {shown}; it must take (name) or (kind, name) and give a decorator: "
        "put a lambda around it, register_into(lambda kind, name: ...)"
    )


def _means_name(parameter):
    return any(word in parameter.name for word in ("name", "alias", "key"))
