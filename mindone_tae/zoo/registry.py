"""Components by name, from the entry points of all installed packages.

A package adds a model by one line of its own metadata, without a change here:

    [options.entry_points]
    mindone.models =
        tae = mindone_tae.models.autoencoder:TemporalAutoencoder

Installed metadata is read again at every call (a few milliseconds), so that a package installed meanwhile is found.
"""

import logging
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Any

from packaging.utils import canonicalize_name

from .errors import UserError, did_you_mean, listed
from .signatures.signature import Signature, check_keywords, read_signature, signature_of

GROUPS = ("mindone.models", "mindone.blocks", "mindone.datasets", "mindone.losses", "mindone.metrics")

_NOUNS = {"models": "model", "blocks": "block", "datasets": "dataset", "losses": "loss", "metrics": "metric"}
_ALIASES = {
    alias: f"mindone.{plural}" for plural, noun in _NOUNS.items() for alias in (f"mindone.{plural}", plural, noun)
}

_logger = logging.getLogger(__name__)


def full_group(group: str) -> str:
    """A group in full: "mindone.models" for "mindone.models", "models" or "model".

    Raises:
        UserError: no such group.
    """
    if group not in _ALIASES:
        raise UserError(f"unknown group '{group}'{did_you_mean(group, _ALIASES)} (groups: {listed(GROUPS)})")
    return _ALIASES[group]


def noun_of(group: str) -> str:
    """The noun for an entry of a group in messages: "model", "dataset", ..."""
    return _NOUNS[full_group(group).removeprefix("mindone.")]


def names(group: str) -> list[str]:
    """The names that installed packages register in a group, sorted; nothing is imported.

    Args:
        group: one of GROUPS, or its short form ("models", "model").
    """
    return sorted(_entries(full_group(group)))


def entry_point(group: str, name: str) -> metadata.EntryPoint:
    """The entry point of a name; nothing is imported.

    Returns:
        importlib.metadata.EntryPoint.

    Raises:
        UserError: the name is unknown, or two packages claim it.
    """
    group = full_group(group)
    noun = noun_of(group)
    entries = _entries(group)
    if not isinstance(name, str) or name not in entries:
        near = did_you_mean(name, entries)
        raise UserError(f"unknown {noun} '{name}' in group {group}{near} (known: {listed(sorted(entries))})")
    claims = entries[name]
    if len(claims) > 1:
        claimants = " and ".join(f"{_package(claim)} ({claim.value})" for claim in claims)
        raise UserError(f"{noun} '{name}' is claimed by {claimants}: only one may have the name; uninstall the other")
    return claims[0]


def get(group: str, name: str) -> Callable:
    """Imports one component, and no other.

    Args:
        group: one of GROUPS, or its short form.
        name: the component's name in it.

    Returns:
        The class or function that the entry point names.

    Raises:
        UserError: the name is unknown, claimed twice, or its package cannot be imported.
    """
    claim = entry_point(group, name)
    try:
        component = claim.load()
    except (Exception, SystemExit) as error:  # a plugin that fails at import must not affect the others
        raise UserError(
            f"{noun_of(group)} '{name}' cannot be imported: {claim.value} of package {_package(claim)} gave "
            f"{type(error).__name__}: {error}; repair or uninstall that package"
        ) from error
    if not callable(component):
        raise UserError(
            f"{noun_of(group)} '{name}' cannot be built: {claim.value} of package {_package(claim)} is a "
            f"{type(component).__name__}; an entry point must name a class or a function"
        )
    return component


def signature(group: str, name: str, imports: bool = False) -> Signature | None:
    """The keywords that a component's constructor takes.

    Args:
        group: one of GROUPS, or its short form.
        name: the component's name in it.
        imports: import the component where its source text is not enough.

    Returns:
        Signature, or None where it is not known.

    Raises:
        UserError: as `entry_point`, and `get` where it is imported.
    """
    found = read_signature(entry_point(group, name).value)
    return signature_of(get(group, name)) if found is None and imports else found


def build(group: str, spec: Mapping | str, **extra) -> Any:
    """Constructs a component from its name and keywords.

    Args:
        group: one of GROUPS, or its short form.
        spec: {"name": ..., **keywords}, as a recipe's section holds them; or a name alone.
        **extra: keywords that the host adds, of any type; they override the spec's.

    Returns:
        What the component's class or function returns.

    Raises:
        UserError: unknown name; unknown, missing or mistyped keywords (all reported at once); or the constructor
            raised an error.
    """
    group = full_group(group)
    noun = noun_of(group)
    keywords = {"name": spec} if isinstance(spec, str) else dict(spec)
    if "name" not in keywords:
        raise UserError(f"{noun} has no name: add name, one of {listed(names(group))}")
    name = keywords.pop("name")
    component = get(group, name)
    takes = signature(group, name, imports=True)
    written = {key: value for key, value in keywords.items() if key not in extra}
    values, mistakes = check_keywords(takes and takes.without(extra), written)
    if mistakes:
        marks = getattr(spec, "marks", {})
        lines = [f"{marks[key]}: " if key in marks else "" for key, _ in mistakes]
        raise UserError(*(f"{line}{noun} '{name}': {key}: {text}" for line, (key, text) in zip(lines, mistakes)))
    try:
        return component(**{**values, **extra})
    except (ValueError, TypeError, OSError) as error:
        raise UserError(*(f"{noun} '{name}': {line}" for line in str(error).split("\n"))) from error


def _package(claim):
    try:
        return claim.dist.name or "?"
    except Exception:  # a package without METADATA has no name
        return "?"


def _entries(group):
    """name -> the entry points that claim it, one for each distribution.

    Of a distribution found twice on sys.path (an editable install and its build folder) the first counts, as in Python.
    """
    entries, seen = {}, {}  # the second: folder's name to the distributions of that name
    for distribution in metadata.distributions():
        identity = "?"
        try:
            # The folder's name first: it is there even where METADATA is not.
            identity = getattr(distribution, "_normalized_name", None) or distribution.name
            if any(_is_same(distribution, other) for other in seen.get(identity, ())):
                continue
            seen.setdefault(identity, []).append(distribution)
            found = [claim for claim in distribution.entry_points if claim.group == group]
        except Exception as error:  # unreadable metadata of some package must not hide the others
            _logger.warning("cannot read the metadata of package %s: %s: %s", identity, type(error).__name__, error)
            continue
        for claim in found:
            entries.setdefault(claim.name, []).append(claim)
    return entries


def _is_same(distribution, other):
    """Whether two distributions are one, found twice: of a folder a-b-1.0.dist-info, Python takes "a" for the name."""
    names = {canonicalize_name(str(each.name or "")) for each in (distribution, other)}
    return len(names) == 1 or "" in names
