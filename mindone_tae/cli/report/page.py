"""The report page: one self-contained HTML file that fetches nothing."""

import base64
import hashlib
import html
import json
import re
from importlib import resources
from pathlib import Path

from mindone_tae.zoo.atomic_file import write_text
from mindone_tae.zoo.printable import printable

from . import stored
from .curves import curves_of
from .media import clip_media, error_scale

_SCRIPTS = ("sheet", "picture", "players", "plot", "table", "latent", "runs", "main")


def write_page(path, folders, runs=None):
    """Writes the page of one or several reports.

    Args:
        path: of the HTML file.
        folders: each with the files of a `Recorder`.
        runs: the training run's folder of each report, None where it has none; None: none has.

    Returns:
        The path.

    Raises:
        UserError: a report is missing or damaged, or the page cannot be written.
    """
    reports = stored.open_reports(folders)
    data, media = _content(reports, runs or [None] * len(reports))
    path = Path(path)
    write_text(path, _html(data, media))
    return path


def _content(reports, runs):
    """The data of the page's script, and its clips' files as base64."""
    contestants, clips = stored.contestants(reports), stored.clips(reports)
    models = [contestant.key for contestant in contestants if contestant.kind == "model"]
    scale = error_scale([clip.errors[key] for clip in clips for key in models if key in clip.errors])
    entries, media, places = [], [], {}
    for clip in clips:
        entry, content = clip_media(
            clip, [contestant.key for contestant in contestants if contestant.key in clip.files], scale
        )
        places[clip.facts["name"], clip.facts["frames"], tuple(clip.facts["size"])] = len(entries)
        entries.append(entry)
        media.append(base64.b64encode(content).decode())
    rows = stored.table(reports)
    for row in rows:
        row["clip"] = places.get((row["name"], row["frames"], tuple(row["size"])))
    data = {
        "version": reports[0].facts["version"],
        "command": reports[0].facts["command"],
        "made": max(report.facts["made"] for report in reports),
        "contestants": [vars(contestant) for contestant in contestants],
        "errorScale": scale,
        "clips": entries,
        "rows": rows,
        "protocol": {name: text for report in reports for name, text in report.facts["protocol"].items()},
        "runs": [
            {
                "label": report.label,
                **{key: report.facts["model"][key] for key in ("name", "pretrained", "sha256", "parameters")},
                "made": report.facts["made"],
                "command": report.facts["command"],
                "recipe": report.facts["recipe"],
                "curves": curves_of(run),
            }
            for report, run in zip(reports, runs)
        ],
    }
    return data, media


def _html(data, media):
    parts = resources.files(__package__) / "page"
    style = (parts / "style.css").read_text(encoding="utf-8")
    script = "\n".join((parts / f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS)
    script = f'"use strict";\n(() => {{\n{script}\n}})();\n'
    names = [clip["name"] for clip in data["clips"]]
    title = f"{names[0]} · TAE report" if len(names) == 1 else f"{len(names)} clips · TAE report"
    holders = "\n".join(
        f'<script type="text/plain" id="media-{i}">{content}</script>' for i, content in enumerate(media)
    )
    filled = {
        "TITLE": html.escape(printable(title), quote=False),
        "STYLE_HASH": _hash(style),
        "SCRIPT_HASH": _hash(script),
        "STYLE": style,
        "DATA": json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"),
        "MEDIA": holders,
        "SCRIPT": script,
    }
    return re.sub("@([A-Z_]+)@", lambda mark: filled[mark[1]], (parts / "page.html").read_text(encoding="utf-8"))


def _hash(text):
    """The hash by which the page's Content-Security-Policy allows its own style and script only."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
