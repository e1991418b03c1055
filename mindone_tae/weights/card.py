"""Model cards: what somebody who finds weights has to know, as Markdown with Hugging Face's front matter."""

from __future__ import annotations

import json
import os
from pathlib import Path

from mindone_tae.models.latent.scaling import SCALING_FACTOR, SHIFT_FACTOR
from mindone_tae.zoo.atomic_file import write_text
from mindone_tae.zoo.errors import UserError

from .architecture import PUBLISHED

CARD = "README.md"
# By which a card that was written here is told from one that somebody wrote by hand, which is left alone.
_MARK = "<!-- written by mindone_tae: what you change here is kept if you take this line out -->"
_FRONT = """\
---
library_name: mindone
tags:
- video
- autoencoder
- mindspore
- mindone_tae
---
"""


def model_card(
    title: str,
    network: dict,
    loading: str,
    data: str | None = None,
    training: str | None = None,
    evaluation: dict | None = None,
) -> str:
    """The card of a TAE's weights.

    Args:
        title: what they are called.
        network: constructor keywords; those that are missing are the published network's.
        loading: Python that loads and uses them.
        data: what they were trained on, and under which licences; None says that this is not told.
        training: how.
        evaluation: content of an evaluation.json, as `mindone-tae evaluate` writes it; None says that nothing was
        measured.

    Returns:
        Markdown.

    Raises:
        UserError: the evaluation is not one.
    """
    network = {**PUBLISHED, **{key: value for key, value in network.items() if key in PUBLISHED}}
    ratio = 2 ** (len(network["block_out_channels"]) - 1)
    scale, shift = network["scaling_factor"], network["shift_factor"]
    own = (scale, shift) != (SCALING_FACTOR, SHIFT_FACTOR)
    parts = [
        f"{_FRONT}{_MARK}\n\n# {title}",
        f"A Temporal Autoencoder of Movie Gen (arXiv 2410.13720) for MindSpore: video {ratio}x smaller in time and "
        f"{ratio}x{ratio} in space, in {network['latent_channels']} latent channels. "
        f"Pixels are (b, c, t, h, w) in [-1, 1], h and w multiples of {ratio}.",
        f"## Use\n\n```python\n{loading.strip()}\n```",
        _table(
            ("network", ""),
            [
                ("widths", ", ".join(map(str, network["block_out_channels"]))),
                ("residual blocks a level", f"{network['layers_per_block']}, one more in the decoder"),
                ("groups of a norm", network["norm_num_groups"]),
            ],
        ),
        f"## Scaling factors\n\n`scaling_factor` {scale:g}, `shift_factor` {shift:g}: "
        + ("these weights' own." if own else "SD3.5's; `mindone-tae latent-stats` measures those of these weights.")
        + ' The convention "mindone" is scale * z + shift, "diffusers" (z - shift) * scale.',
        f"## Data\n\n{data or 'Not told.'}",
        *([f"## Training\n\n{training}"] if training else []),
        f"## Figures\n\n{_figures(evaluation) if evaluation else 'Not measured: `mindone-tae evaluate` does.'}",
    ]
    return "\n\n".join(parts) + "\n"


def read_evaluation(source: str | os.PathLike | dict | None) -> dict | None:
    """An evaluation as `model_card` takes it.

    Args:
        source: an evaluation.json, the folder that holds it, its content, or None.

    Raises:
        UserError: there is none, or it is damaged.
    """
    if source is None or isinstance(source, dict):
        return source
    path = Path(source)
    path = path / "evaluation.json" if path.is_dir() else path
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: it must be what `mindone-tae evaluate` writes, and cannot be read ({error}): "
            "give an evaluation.json"
        ) from error


def write_card(folder: str | os.PathLike, text: str) -> Path | None:
    """Puts a card into a folder, unless one is there that was written by hand.

    Returns:
        Its path; None where another was kept.
    """
    path = Path(folder) / CARD
    if path.exists() and _MARK not in path.read_text(encoding="utf-8", errors="replace"):
        return None
    write_text(path, text)
    return path


def differing_keywords(network: dict) -> dict:
    """Those of a network's constructor keywords that are not the published network's."""
    return {
        key: network[key]
        for key, value in PUBLISHED.items()
        if key in network and _plain(network[key]) != _plain(value)
    }


def _plain(value):
    return list(value) if isinstance(value, tuple) else value


def _figures(evaluation):
    try:
        means = [
            (evaluation["model"]["name"], evaluation["mean"]),
            *((other["name"], other["mean"]) for other in evaluation["baselines"]),
        ]
        shapes = sorted({(row["frames"], *row["size"]) for row in evaluation["clips"]})
        protocol = evaluation["protocol"]
        metrics = list(means[0][1])
        rows = [
            (name, *("-" if mean.get(metric) is None else f"{mean[metric]:.4g}" for metric in metrics))
            for name, mean in means
        ]
        count = len(evaluation["clips"])
    except (KeyError, TypeError) as error:
        raise UserError(
            f"an evaluation lacks {error}; it must be the content of an evaluation.json: "
            "let `mindone-tae evaluate` write it"
        ) from error
    table = _table(("", *metrics), rows)
    sizes = ", ".join("x".join(map(str, shape)) for shape in shapes[:4]) + (" and others" if len(shapes) > 4 else "")
    told = "\n".join(f"- `{name}`: {protocol[name]}." for name in metrics if name in protocol)
    clips = "1 clip" if count == 1 else f"{count} clips"
    origin = f"By `mindone-tae evaluate` on {clips} of {sizes} (frames x height x width), first frames, centre crop."
    return f"{origin}\n\n{table}\n\n{told}"


def _table(heads, rows):
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
