"""One clip's latent and its facts, which are stored as JSON and checked when they are read back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import NamedTuple

import numpy as np

from mindone_tae.zoo.atomic_file import is_file_name
from mindone_tae.zoo.errors import UserError, require_one_of

# How a generator's latents come from the encoder's, by the name of the convention.
CONVENTIONS = {
    "mindone": "scaled = scaling_factor * z + shift_factor",
    "diffusers": "scaled = (z - shift_factor) * scaling_factor",
}
UNSCALED = "none"
ARRAYS = ("mean", "logvar", "sample")
_AGAIN = "encode the clip again"
# No count, side or factor is so large.
_LARGEST = 2**63


@dataclass(frozen=True)
class LatentClip:
    """The posterior of one clip, or one sample of it, and where it comes from.

    Attributes:
        mean: float32 (zc, lt, lh, lw); None where only a sample is kept.
        logvar: float32 (zc, lt, lh, lw); None where only a sample is kept.
        frames: of the clip.
        fps: frames a second; 0.0 for an image.
        size: (h, w) of the clip, pixels.
        source: the video, relative to the folder or table it was found by.
        scaling_convention: "none": the arrays are what the encoder gave; "mindone" or "diffusers": they are scaled so.
        scaling_factor: the model's, None where it has none. What is scaled is scaled by it.
        shift_factor: the model's.
        conventions: how the two factors are used, by the name of the convention.
        model: name, settings and weights of the model, and their sha256.
        crop: (left, top, right, bottom) of the source that the clip shows, source pixels; None where it is not known.
        source_state: bytes and time of the last change (nanoseconds) of the source when it was encoded; None where it
            is not a file.
        seed: seed of the sample's noise, together with the source's name; None where mean and logvar are kept.
        sample: float32 (zc, lt, lh, lw), or None.
    """

    mean: np.ndarray | None
    logvar: np.ndarray | None
    frames: int
    fps: float
    size: tuple[int, int]
    source: str
    scaling_convention: str = UNSCALED
    scaling_factor: float | None = None
    shift_factor: float | None = None
    conventions: dict = field(default_factory=lambda: dict(CONVENTIONS))
    model: dict = field(default_factory=dict)
    crop: tuple[float, float, float, float] | None = None
    source_state: tuple[int, int] | None = None
    seed: int | None = None
    sample: np.ndarray | None = None

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Those of mean, logvar and sample that are not None, by name."""
        return {name: getattr(self, name) for name in ARRAYS if getattr(self, name) is not None}

    @property
    def facts(self) -> dict:
        """Everything but the arrays, by name."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name not in ARRAYS}


class StoredLatent(NamedTuple):
    """A latent in a file: its facts are read at once, its numbers on demand.

    Attributes:
        name: of the clip, a path below a folder.
        where: file, and clip in it, as messages name it.
        shape: (zc, lt, lh, lw).
        facts: keywords of LatentClip but the arrays.
        read: returns the LatentClip; raises UserError where its numbers cannot be read.
        read_frames: read_frames(start, stop) returns a LatentClip with the mean or sample of those latent frames alone,
            and the facts of the whole clip; raises as `read` does.
    """

    name: str
    where: str
    shape: tuple[int, int, int, int]
    facts: dict
    read: Callable[[], LatentClip]
    read_frames: Callable[[int, int], LatentClip]


def stored_latent(name: str, where: str, facts: dict, tensors: dict) -> StoredLatent:
    """A latent from a file's facts and tensors, checked.

    Args:
        name: of the clip.
        where: see StoredLatent.
        facts: by name, as parsed from JSON.
        tensors: StoredTensor of each of mean, logvar and sample that is present.

    Raises:
        UserError: facts or shapes that no latent can have.
    """
    facts = checked_facts(where, facts)
    if set(tensors) not in ({"mean", "logvar"}, {"sample"}):
        raise UserError(
            f"{where} holds {', '.join(sorted(tensors)) or 'nothing'}; a latent is mean and logvar, or sample: {_AGAIN}"
        )
    shapes = {tensor.shape for tensor in tensors.values()}
    shape = next(iter(shapes))
    if len(shapes) > 1 or len(shape) != 4 or min(shape) < 1:
        told = " and ".join(f"{kind} {tensor.shape}" for kind, tensor in tensors.items())
        raise UserError(f"{where} holds {told}; each must be (zc, lt, lh, lw), of the same shape: {_AGAIN}")

    def clip_of(arrays):
        return LatentClip(**{"mean": None, "logvar": None, **arrays}, **facts)

    def read():
        return clip_of({kind: _numbers(where, tensor.read) for kind, tensor in tensors.items()})

    def read_frames(start, stop):
        kind = "mean" if "mean" in tensors else "sample"
        return clip_of({kind: _numbers(where, tensors[kind].read_span, start, stop)})

    return StoredLatent(name, where, shape, facts, read, read_frames)


def _numbers(where, read, *span):
    try:
        array = read(*span)
    except OSError as error:
        raise UserError(f"{where}: its numbers cannot be read: {error.strerror or error}: {_AGAIN}") from error
    if array.dtype.kind != "f":
        raise UserError(f"{where} holds {array.dtype}; latents are floating: {_AGAIN}")
    return array.astype(np.float32, copy=False)


def checked_facts(where: str, facts: dict) -> dict:
    """Keywords of LatentClip from stored facts, lists converted to tuples.

    Raises:
        UserError: one is missing, unknown, or has an invalid value.
    """
    if not isinstance(facts, dict):
        raise UserError(f"{where}: its facts are a {type(facts).__name__}; they must be an object: {_AGAIN}")
    known = {entry.name for entry in fields(LatentClip)} - set(ARRAYS)
    if "scaling_convention" not in facts:
        raise UserError(f"{where} does not say how its latents are scaled (scaling_convention); it must: {_AGAIN}")
    for name, holds in _RULES.items():
        if name in facts and not holds(facts[name]) or name in _NEEDED and name not in facts:
            raise UserError(f"{where}: {name} is {str(facts.get(name))[:80]!r}, which it cannot be: {_AGAIN}")
    if set(facts) - known:
        raise UserError(
            f"{where} has {', '.join(sorted(set(facts) - known)[:3])}, which latents do not have: "
            f"{_AGAIN}, or use the version that wrote it"
        )
    checked_name(where, facts["source"])
    check_scaling(where, facts)
    return {name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()}


def checked_name(where: str, name: str) -> str:
    """A clip's name, checked to be a path that stays inside any folder.

    Raises:
        UserError: it is absolute, or leads out by "..".
    """
    if not is_file_name(name) or {"", ".", ".."} & set(name.split("/")):
        raise UserError(
            f"{where} names a clip {name[:80]!r}; a name is a path below a folder, not absolute and without '..': "
            f"{_AGAIN}"
        )
    return name


def check_scaling(where: str, facts: dict) -> None:
    """Raises UserError unless a latent's scaling and its factors are known.

    Args:
        where: its name in errors.
        facts: of a LatentClip.
    """
    convention, factors = facts["scaling_convention"], (facts.get("scaling_factor"), facts.get("shift_factor"))
    require_one_of((UNSCALED, *CONVENTIONS), convention, f"{where}: scaling_convention", _AGAIN)
    if convention != UNSCALED and not (all(map(_is_number, factors)) and factors[0]):
        raise UserError(
            f"{where}: its latents are scaled ({convention}) by scaling_factor {factors[0]} and shift_factor "
            f"{factors[1]}; both must be numbers and scaling_factor not 0, or the scaling cannot be undone: {_AGAIN}"
        )


def check_convention(where: str, facts: dict, asked: str | None) -> None:
    """Raises UserError where latents are scaled by another convention than the one asked for; None asks for none."""
    held = facts["scaling_convention"]
    if asked not in (None, held):
        raise UserError(
            f"{where} says its scaling convention is {held!r}, and {asked!r} was asked for; one taken for the other "
            "decodes to a washed-out video: ask for its own, or encode the clip again"
        )


def finite(where: str, array: np.ndarray) -> np.ndarray:
    """An array, as it is.

    Raises:
        UserError: it holds infinities or NaN, which a decoder would make a video of noise of.
    """
    if not np.isfinite(array).all():
        raise UserError(
            f"{where} holds numbers that are not finite; a decoder needs finite ones: delete it, and {_AGAIN}"
        )
    return array


def facts_from_json(where: str, texts: dict[str, str]) -> dict:
    """Facts from a JSON text each.

    Raises:
        UserError: one is no JSON.
    """
    try:
        return {name: json.loads(text) for name, text in texts.items()}
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where} cannot be read as a latent: {error}: {_AGAIN}") from error


def _is_whole(value, least=0):
    return type(value) is int and least <= value < _LARGEST


def _is_number(value):
    return type(value) in (int, float) and -_LARGEST < value < _LARGEST  # a NaN is neither


def _is_list(value, length, holds):
    return isinstance(value, (list, tuple)) and len(value) == length and all(map(holds, value))


_NEEDED = ("frames", "fps", "size", "source")
_RULES = {
    "frames": lambda value: _is_whole(value, 1),
    "fps": lambda value: _is_number(value) and 0 <= value <= 1e6,
    "size": lambda value: _is_list(value, 2, lambda side: _is_whole(side, 1)),
    "source": lambda value: isinstance(value, str),
    "conventions": lambda value: isinstance(value, dict),
    "model": lambda value: isinstance(value, dict) and isinstance(value.get("sha256"), (str, type(None))),
    "crop": lambda value: value is None or _is_list(value, 4, _is_number),
    "source_state": lambda value: value is None or _is_list(value, 2, _is_whole),
    "seed": lambda value: value is None or _is_whole(value),
}
