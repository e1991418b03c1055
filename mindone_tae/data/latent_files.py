"""One clip's latent in a safetensors file, with all that is needed to turn it back into the clip."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from mindone_tae.zoo.atomic_file import replacing
from mindone_tae.zoo.errors import UserError

FORMAT = "mindone_tae latents 1"


@dataclass(frozen=True)
class LatentClip:
    """The posterior of one clip, unscaled, and where it comes from.

    Attributes:
        mean: float32 (zc, lt, lh, lw).
        logvar: float32 (zc, lt, lh, lw).
        frames: of the clip.
        fps: frames a second; 0.0 for an image.
        size: (h, w) of the clip, pixels.
        source: the video, relative to the folder or table it was found by.
        scaling_convention: "none": mean and logvar are what the encoder gave. A generator scales them by one of the two below.
        scaling_factor: the model's, None where it has none.
        shift_factor: the model's.
        conventions: how the two factors are used, by the name of the convention.
        model: name and weights of the model.
    """

    mean: np.ndarray
    logvar: np.ndarray
    frames: int
    fps: float
    size: tuple[int, int]
    source: str
    scaling_convention: str = "none"
    scaling_factor: float | None = None
    shift_factor: float | None = None
    conventions: dict = field(
        default_factory=lambda: {
            "mindone": "scaled = scaling_factor * z + shift_factor",
            "diffusers": "scaled = (z - shift_factor) * scaling_factor",
        }
    )
    model: dict = field(default_factory=dict)


def write_latents(path: str | os.PathLike, clip: LatentClip) -> None:
    """Writes a clip's latent, whole or not at all: tensors `mean` and `logvar`, everything else as metadata (JSON values)."""
    facts = {name: value for name, value in asdict(clip).items() if name not in ("mean", "logvar")}
    metadata = {"format": FORMAT, **{name: json.dumps(value) for name, value in facts.items()}}
    with replacing(path) as temporary:
        save_file({"mean": np.ascontiguousarray(clip.mean), "logvar": np.ascontiguousarray(clip.logvar)}, temporary, metadata)


def read_latents(path: str | os.PathLike) -> LatentClip:
    """Reads what `write_latents` wrote.

    Raises:
        UserError: the file is damaged, or no latent of this format.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise UserError(
                    f"{path} has the format {metadata.get('format')!r}; decoding needs {FORMAT!r}: write latents with mindone-tae encode"
                )
            facts = {name: json.loads(value) for name, value in metadata.items() if name != "format"}
            facts["size"] = tuple(facts["size"])
            clip = LatentClip(mean=file.get_tensor("mean"), logvar=file.get_tensor("logvar"), **facts)
    except (OSError, SafetensorError, TypeError, KeyError, json.JSONDecodeError) as error:
        raise UserError(f"{path} cannot be read as a latent: {error}: encode the clip again") from error
    if clip.mean.ndim != 4 or clip.mean.shape != clip.logvar.shape:
        raise UserError(f"{path} holds mean {clip.mean.shape} and logvar {clip.logvar.shape}; both must be (zc, lt, lh, lw): encode the clip again")
    return clip
