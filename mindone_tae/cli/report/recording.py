"""Saves a command's report data while it works: the exact frames of the first clips, and figures of each frame."""

import hashlib
import json
import logging
import shutil
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from mindone_tae.data import from_pixels, to_pixels
from mindone_tae.version import __version__
from mindone_tae.zoo import build
from mindone_tae.zoo.atomic_file import write_text
from mindone_tae.zoo.protocols import reconstruct

from .frames_file import write_frames
from .latent_pictures import write_latent_pictures

FORMAT = "mindone_tae report 1"
FOLDER, INDEX = "report", "report.json"
# Most clips of a page, and most frames of each: more would make a file too large for browsers.
MOST_CLIPS, MOST_FRAMES = 16, 150
_METRICS = ("psnr", "ssim")
_logger = logging.getLogger(__name__)
_SMALLEST_SSIM_PX = 7


class Recorder:
    """Collects the data of a report; `finish` writes it below folder/report.

    Args:
        folder: a command's --output_path.
        command: its name.
        recipe: the command's Recipe.
        model: built.
        baselines: (name, model) to compare with, each by the host's protocol.
    """

    def __init__(self, folder, command, recipe, model, baselines=()):
        self.path = Path(folder) / FOLDER
        self.baselines = list(baselines)
        self.model = model
        self._clips, self._opened = [], 0
        self._facts = {
            "format": FORMAT,
            "version": __version__,
            "made": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "command": command,
            "model": _model_facts(recipe.model, model),
            "baselines": [name for name, _ in self.baselines],
            "recipe": recipe.to_yaml(),
            "protocol": {},
        }
        _remove_earlier(self.path)

    @property
    def is_full(self):
        """Whether the page has its full number of clips."""
        return len(self._clips) >= MOST_CLIPS

    def clip(self, name, fps, source):
        """A ClipRecorder for the next clip that the page shows.

        Args:
            name: of the clip.
            fps: frames a second; 0 for an image.
            source: dict of the source's "size" (h, w) and "bytes", where they are known.
        """
        folder = self.path / "clips" / f"{self._opened:03d}"
        self._opened += 1
        return ClipRecorder(self, folder, name, fps, source)

    def keep(self, clip):
        """Adds the dict of a finished clip."""
        self._clips.append(clip)

    def finish(self, rows=()):
        """Writes report.json, last: without it there is no report.

        Args:
            rows: of the table of all measured clips, dicts: "name", "frames", "size" [h, w] and "figures", contestant
                to metric to value. Rows with a value that is not finite are left out; without rows the table is of the
                clips on the page.

        Returns:
            Its path; None where no clip was kept.
        """
        if not self._clips:
            return None
        protocol = {name: build("mindone.metrics", {"name": name}).protocol for name in _METRICS}
        facts = {
            **self._facts,
            "protocol": protocol,
            "table": [row for row in rows if _are_finite(row["figures"].values())] or list(map(_row, self._clips)),
            "clips": self._clips,
        }
        path = self.path / INDEX
        write_text(path, json.dumps(facts, indent=1) + "\n")
        return path


class ClipRecorder:
    """Collects one clip's frames as they come; `finish` writes them.

    Args:
        recorder: the Recorder.
        path: folder of the clip's files.
        name, fps, source: see `Recorder.clip`.
    """

    def __init__(self, recorder, path, name, fps, source):
        self._recorder, self._path = recorder, path
        self._facts = {"name": name, "fps": fps, "source": source, "folder": path.name}
        self._seen, self._shown, self._kept, self._latents = 0, 0, {}, []
        self._figures = {}

    def add(self, x, recons):
        """Adds the next frames.

        Args:
            x: source (c, t, h, w) in [-1, 1].
            recons: name to reconstruction, of the same shape; "model" is the model's. Baselines that are missing here
                are run at the end, on all collected frames.
        """
        self._seen += x.shape[1]
        count = min(x.shape[1], MOST_FRAMES - self._shown)
        if count < 1:
            return
        x = x[:, :count]
        self._shown += count
        self._kept.setdefault("source", []).append(to_pixels(x))
        for name, recon in recons.items():
            self._take(name, x, recon[:, :count])

    def add_latent(self, mean):
        """Adds the next latent frames, (zc, lt_chunk, lh, lw)."""
        if sum(part.shape[1] for part in self._latents) < MOST_FRAMES:
            self._latents.append(np.array(mean, np.float32))

    def finish(self):
        """Runs the baselines and writes the clip's files; nothing on a full page, or of what is not finite."""
        if self._recorder.is_full:  # a batch opens all its clips before the first is finished
            return
        source = np.concatenate(self._kept["source"])
        for name, baseline in self._recorder.baselines:
            if name not in self._kept:
                x = from_pixels(source)
                self._take(name, x, reconstruct(baseline, x[None])[0])
        if not all(_are_finite([values]) for figures in self._figures.values() for values in figures.values()):
            _logger.warning("%s is not in the report: its reconstruction is not finite", self._facts["name"])
            return
        contestants = {}
        for name, figures in self._figures.items():
            frames = np.concatenate(self._kept[name])
            write_frames(self._path / frames_file(name), frames)
            contestants[name] = {
                **figures,
                "errors": np.bincount(error_levels(frames, source).ravel(), minlength=256).tolist(),
            }
        write_frames(self._path / "source.mkv", source)
        counts = {"frames": self._seen, "shown": len(source), "size": list(source.shape[1:3])}
        clip = {**self._facts, **counts, "sha256": hashlib.sha256(source).hexdigest()}
        self._recorder.keep({**clip, "contestants": contestants, "latent": self._write_latent(len(source))})

    def _take(self, name, x, recon):
        self._kept.setdefault(name, []).append(to_pixels(recon))
        figures = self._figures.setdefault(name, {})
        for metric, values in frame_figures(recon, x).items():
            figures.setdefault(metric, []).extend(values)

    def _write_latent(self, shown):
        """Facts of the latent of the frames shown, whose pictures it writes; None without a latent."""
        if not self._latents:
            return None
        latent = np.concatenate(self._latents, axis=1)
        each = _frames_of_a_latent_frame(self._recorder.model, self._seen, latent.shape[1])
        latent = latent[:, : -(-shown // each)]
        paths = [self._path / f"latent_{kind}.png" for kind in ("components", "channels")]
        explained = write_latent_pictures(*paths, latent)
        return {"shape": list(latent.shape), "frames_each": each, "explained": explained}


def _are_finite(groups):
    """Whether every number of lists, or of dicts, is finite."""
    numbers = [number for group in groups for number in (group.values() if isinstance(group, dict) else group)]
    return bool(np.isfinite(numbers).all())


def frame_figures(recon, x):
    """PSNR and SSIM of every frame by the package's own metrics; SSIM is left out of frames smaller than its window.

    Args:
        recon: (c, t, h, w) in about [-1, 1].
        x: the same shape.

    Returns:
        Metric to a list of t numbers.
    """
    names = _METRICS if min(x.shape[2:]) >= _SMALLEST_SSIM_PX else _METRICS[:1]
    metrics = {name: build("mindone.metrics", {"name": name}) for name in names}
    return {
        name: [float(metric(recon[:, i : i + 1], x[:, i : i + 1])) for i in range(x.shape[1])]
        for name, metric in metrics.items()
    }


def error_levels(frames, source):
    """Mean over channels of |frames - source|, rounded, in levels of 255: uint8 (t, h, w) from two (t, h, w, 3)."""
    levels = np.empty(frames.shape[:3], np.uint8)
    # one at a time: int16 of a whole clip takes twice its memory
    for level, frame, target in zip(levels, frames, source):
        level[:] = np.abs(frame.astype(np.int16) - target).mean(axis=-1).round()
    return levels


def _frames_of_a_latent_frame(model, frames, latent_frames):
    """Frames of a latent frame: by the model's latent_size, otherwise by the ratio of the two counts."""
    if hasattr(model, "latent_size"):
        many = 1024
        return many // model.latent_size((many, 64, 64))[0]
    return max(round(frames / latent_frames), 1)


def frames_file(contestant):
    """The name of the file with a contestant's frames, in the clip's folder."""
    return "model.mkv" if contestant == "model" else f"baseline_{contestant}.mkv"


def _row(clip):
    """The table's row of a clip on the page: means over its frames on the page."""
    figures = {
        name: {metric: float(np.mean(found[metric])) for metric in _METRICS if metric in found}
        for name, found in clip["contestants"].items()
    }
    return {"name": clip["name"], "frames": clip["frames"], "size": clip["size"], "figures": figures}


def _model_facts(section, model):
    from mindone_tae.weights.digest import weights_sha256

    parameters = model.get_parameters() if hasattr(model, "get_parameters") else ()
    pretrained = section.get("pretrained")
    return {
        "name": section["name"],
        "pretrained": None if pretrained is None else str(pretrained),  # another package's may be a list of files
        "sha256": weights_sha256(model),
        "parameters": int(sum(np.prod(parameter.shape) for parameter in parameters)),
    }


def _remove_earlier(path):
    """Removes an earlier report of this package, and nothing else."""
    index = path / INDEX
    try:
        ours = json.loads(index.read_text(encoding="utf-8")).get("format") == FORMAT
    except (OSError, ValueError, AttributeError, RecursionError):
        return
    if ours:
        index.unlink()
        shutil.rmtree(path / "clips", ignore_errors=True)
