"""Reads reports that `recording` wrote, and merges the contestants and clips of several."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from mindone_tae.zoo.errors import UserError

from .checked import wrong_place
from .recording import FOLDER, FORMAT, INDEX, frames_file


@dataclass(frozen=True)
class Stored:
    """A report's folder.

    Attributes:
        path: folder of report.json.
        facts: its content.
        label: name of its model on the page.
    """

    path: Path
    facts: dict
    label: str


@dataclass(frozen=True)
class Contestant:
    """A model or baseline that is shown beside the source.

    Attributes:
        key: identifies its figures and files on the page.
        label: its name on the page.
        kind: "model" or "baseline".
    """

    key: str
    label: str
    kind: str


@dataclass
class Clip:
    """A clip of one or several reports.

    Attributes:
        facts: name, fps, frames, shown, size, source.
        folder: with source.mkv.
        files: contestant's key to its frames' file.
        figures: contestant's key to metric to a value a frame.
        errors: contestant's key to the number of pixels with an error of 0 to 255 levels.
        latents: contestant's key to (facts, folder with its pictures).
    """

    facts: dict
    folder: Path
    files: dict = field(default_factory=dict)
    figures: dict = field(default_factory=dict)
    errors: dict = field(default_factory=dict)
    latents: dict = field(default_factory=dict)


def has_report(folder):
    """Whether a folder holds a report."""
    return (Path(folder) / FOLDER / INDEX).is_file()


def made_after(folder, file):
    """Whether a folder holds a report that is newer than a file."""
    index = Path(folder) / FOLDER / INDEX
    return index.is_file() and index.stat().st_mtime >= Path(file).stat().st_mtime


def open_reports(folders):
    """Reads reports.

    Args:
        folders: that hold report/report.json each.

    Raises:
        UserError: one is missing, damaged or of another version.
    """
    found = []
    for folder in map(Path, folders):
        path = folder / FOLDER / INDEX
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise UserError(
                f"{path} cannot be read ({error.strerror}); reconstruct, evaluate and demo leave it in their "
                "--output_path: give a folder of theirs, or a training run's"
            ) from None
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path} is no JSON ({error}): run the command that wrote it again") from None
        if not isinstance(facts, dict) or facts.get("format") != FORMAT:
            raise UserError(f"{path} is of another version than this package's {FORMAT!r}: run the command again")
        wrong = wrong_place(facts)
        if wrong is not None:
            raise UserError(f"{path} is damaged at {wrong}: run the command that wrote it again")
        found.append((folder, facts))
    labels = _labels(found)
    return [Stored(folder / FOLDER, facts, label) for (folder, facts), label in zip(found, labels)]


def _labels(found):
    """A name for each model: the registry's and its weights'; for several models, the differing part of their paths."""
    if len(found) == 1:
        facts = found[0][1]
        return [" ".join([facts["model"]["name"], _weights_name(facts["model"]["pretrained"])]).strip()]
    parts = [folder.resolve().parts for folder, _ in found]
    while len({entry[:1] for entry in parts}) == 1 and min(map(len, parts)) > 1:
        parts = [entry[1:] for entry in parts]
    while len({entry[-1:] for entry in parts}) == 1 and min(map(len, parts)) > 1:
        parts = [entry[:-1] for entry in parts]
    return ["/".join(entry) for entry in parts]


def _weights_name(pretrained):
    if pretrained is None:
        return "with random weights"
    path = Path(str(pretrained))
    return path.stem if path.suffix in (".safetensors", ".ckpt") else path.name


def contestants(reports):
    """All models, then all baselines.

    Args:
        reports: Stored of each.

    Returns:
        List of Contestants. A baseline of the same name is one, whichever report has it.
    """
    several = len(reports) > 1
    models = [Contestant(f"model{i}" if several else "model", each.label, "model") for i, each in enumerate(reports)]
    names = dict.fromkeys(name for each in reports for name in each.facts["baselines"])
    return models + [Contestant(name, name.replace("_", " "), "baseline") for name in names]


def clips(reports):
    """The clips of all reports in order, those of several reports merged.

    Clips are the same if their names and all pixels shown are equal.
    """
    found = {}
    for i, report in enumerate(reports):
        for entry in report.facts["clips"]:
            folder = report.path / "clips" / entry["folder"]
            identity = entry["name"], entry["sha256"], tuple(entry["size"])
            facts = {key: entry[key] for key in ("name", "fps", "frames", "shown", "size", "source")}
            clip = found.setdefault(identity, Clip(facts, folder))
            for name, figures in entry["contestants"].items():
                key = _key(name, i, len(reports))
                if key in clip.files:
                    continue  # a baseline that another report has measured on this clip
                clip.files[key] = folder / frames_file(name)
                clip.figures[key] = {
                    metric: figures[metric] for metric in report.facts["protocol"] if metric in figures
                }
                clip.errors[key] = figures["errors"]
            if entry["latent"]:
                clip.latents[_key("model", i, len(reports))] = entry["latent"], folder
    return list(found.values())


def table(reports):
    """Rows of every clip that was measured: name, frames, size, and figures by contestant's key."""
    rows = {}
    for i, report in enumerate(reports):
        for row in report.facts["table"]:
            identity = row["name"], row["frames"], tuple(row["size"])
            merged = rows.setdefault(
                identity, {"name": row["name"], "frames": row["frames"], "size": row["size"], "figures": {}}
            )
            for name, figures in row["figures"].items():
                merged["figures"].setdefault(_key(name, i, len(reports)), figures)
    return list(rows.values())


def _key(name, report, reports):
    return f"model{report}" if name == "model" and reports > 1 else name
