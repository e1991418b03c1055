"""Whether a report.json holds what `recording` writes: the page is made of it value by value."""

import math
from typing import Any, NamedTuple

_LARGEST = 2**53
_ERROR_LEVELS = 256


def wrong_place(facts):
    """Where a report's content is not what `recording` writes, such as "clips[0].fps"; None where all of it is.

    Args:
        facts: the parsed JSON.
    """
    return _wrong(_REPORT, facts, "")


def _is_count(value):
    return type(value) is int and 0 <= value < _LARGEST


def _is_number(value):
    return type(value) in (int, float) and -_LARGEST < value < _LARGEST and math.isfinite(value)


def _is_text(value):
    return isinstance(value, str)


def _is_name(value):
    """Of a folder in the report's own."""
    return isinstance(value, str) and value not in ("", ".", "..") and not set("/\0") & set(value)


def _is_rate(value):
    return _is_number(value) and 0 <= value <= 1e6


def _is_size(value):
    return isinstance(value, list) and len(value) == 2 and all(map(_is_count, value))


def _is_source(value):
    return isinstance(value, dict) and _is_size(value.get("size", [1, 1])) and _is_count(value.get("bytes", 0))


def _is_levels(value):
    return isinstance(value, list) and len(value) == _ERROR_LEVELS and all(map(_is_count, value))


class _Each(NamedTuple):
    """Every entry of a list, or every value of a dict."""

    kind: type
    of: Any


class _Optional(NamedTuple):
    """A key that may be missing, or null."""

    of: Any


_FIGURES = _Each(dict, _is_number)
_LATENT = {"shape": _Each(list, _is_count), "frames_each": _is_number, "explained": _Each(list, _is_number)}
_CONTESTANT = {
    "errors": _is_levels,
    "psnr": _Optional(_Each(list, _is_number)),
    "ssim": _Optional(_Each(list, _is_number)),
}
_CLIP = {
    "name": _is_text,
    "sha256": _is_text,
    "folder": _is_name,
    "size": _is_size,
    "fps": _is_rate,
    "frames": _is_count,
    "shown": _is_count,
    "source": _is_source,
    "contestants": _Each(dict, _CONTESTANT),
    "latent": _Optional(_LATENT),
}
_REPORT = {
    **dict.fromkeys(("format", "version", "made", "command", "recipe"), _is_text),
    "model": {"name": _is_text, "pretrained": _Optional(_is_text), "sha256": _is_text, "parameters": _is_count},
    "baselines": _Each(list, _is_name),
    "protocol": _Each(dict, _is_text),
    "table": _Each(list, {"name": _is_text, "frames": _is_count, "size": _is_size, "figures": _Each(dict, _FIGURES)}),
    "clips": _Each(list, _CLIP),
}


def _wrong(rule, value, place):
    if isinstance(rule, _Optional):
        return None if value is None else _wrong(rule.of, value, place)
    if isinstance(rule, _Each):
        if not isinstance(value, rule.kind):
            return place
        entries = value.items() if rule.kind is dict else enumerate(value)
        return next(filter(None, (_wrong(rule.of, entry, f"{place}[{key}]") for key, entry in entries)), None)
    if isinstance(rule, dict):
        if not isinstance(value, dict):
            return place or "all of it"
        keys = ((f"{place}.{key}".lstrip("."), key) for key in rule)
        return next(filter(None, (_wrong(rule[key], value.get(key), name) for name, key in keys)), None)
    return None if rule(value) else place
