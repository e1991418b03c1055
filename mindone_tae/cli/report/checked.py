"""Whether a report.json holds what `recording` writes: the page is made of it value by value."""

import math

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


# Rules: a function of a value; [rule] for every entry of a list; {str: rule} for every value of a dict; {"key": rule}
# for single keys of a dict; (rule,) for a key that may be missing or null.
_FIGURES = {str: _is_number}
_LATENT = {"shape": [_is_count], "frames_each": _is_number, "explained": [_is_number]}
_CONTESTANT = {"errors": _is_levels, "psnr": ([_is_number],), "ssim": ([_is_number],)}
_CLIP = {
    "name": _is_text,
    "sha256": _is_text,
    "folder": _is_name,
    "size": _is_size,
    "fps": _is_rate,
    "frames": _is_count,
    "shown": _is_count,
    "source": _is_source,
    "contestants": {str: _CONTESTANT},
    "latent": (_LATENT,),
}
_REPORT = {
    **dict.fromkeys(("format", "version", "made", "command", "recipe"), _is_text),
    "model": {"name": _is_text, "pretrained": (_is_text,), "sha256": _is_text, "parameters": _is_count},
    "baselines": [_is_name],
    "protocol": {str: _is_text},
    "table": [{"name": _is_text, "frames": _is_count, "size": _is_size, "figures": {str: _FIGURES}}],
    "clips": [_CLIP],
}


def _wrong(rule, value, place):
    if isinstance(rule, tuple):
        return None if value is None else _wrong(rule[0], value, place)
    if callable(rule):
        return None if rule(value) else place
    if not isinstance(value, type(rule)):
        return place or "all of it"
    if isinstance(rule, list):
        entries = ((rule[0], entry, f"{place}[{i}]") for i, entry in enumerate(value))
    elif str in rule:
        entries = ((rule[str], entry, f"{place}[{key}]") for key, entry in value.items())
    else:
        entries = ((inner, value.get(key), f"{place}.{key}".lstrip(".")) for key, inner in rule.items())
    return next(filter(None, (_wrong(*entry) for entry in entries)), None)
