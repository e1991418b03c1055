"""Metrics on fixed clips, for any model, beside a baseline."""

import logging
import time

import numpy as np

from . import registry
from .errors import UserError
from .progress import Progress
from .protocols import reconstruct

_logger = logging.getLogger(__name__)


class Evaluator:
    """Measures models on the clips of one dataset, always the same ones.

    Args:
        section: the recipe's eval section.
        title: of the progress bar; None shows none.

    Raises:
        UserError: the dataset cannot be built or is empty.
    """

    def __init__(self, section, title="evaluate"):
        self.dataset = registry.build("mindone.datasets", section.dataset)
        self.metrics = [registry.build("mindone.metrics", metric) for metric in section.metrics]
        self.baseline = registry.build("mindone.models", section.baseline) if section.baseline else None
        self.baseline_name = section.baseline["name"] if section.baseline else None
        self.clips = min(len(self.dataset), section.max_clips or len(self.dataset))
        self.batch_size = section.batch_size
        self.picture_clips = section.picture_clips
        self.title = title
        self._baseline_rows = None
        if self.clips == 0:
            raise UserError("the evaluation dataset is empty; it needs at least one clip: check eval.dataset")

    def run(self, model, with_baseline=True):
        """Reconstructs every clip and measures it.

        Args:
            model: by `protocols`.
            with_baseline: measure the recipe's baseline too; it is computed once.

        Returns:
            dict: `clips` (a row each: path, shape, metric values), `mean` over clips, `baseline` likewise or None, `protocol`,
            `unreadable`, `seconds`; and `pictures`, a list of (name, x, recon) for the first clips.
        """
        started = time.monotonic()
        rows, pictures = [], []
        baseline_rows = self._baseline_rows
        compute_baseline = with_baseline and self.baseline is not None and baseline_rows is None
        if compute_baseline:
            baseline_rows = []
        with Progress(self.title or "", self.clips, "clips") if self.title else _Silent() as progress:
            for indices, batch in self._batches():
                recons = reconstruct(model, batch)
                rebuilt = reconstruct(self.baseline, batch) if compute_baseline else [None] * len(batch)
                for index, x, recon, simple in zip(indices, batch, recons, rebuilt):
                    name = self._name(index)
                    rows.append({"path": name, "frames": x.shape[1], "size": list(x.shape[2:]), **self._measure(recon, x)})
                    if simple is not None:
                        baseline_rows.append({"path": name, **self._measure(simple, x)})
                    if index < self.picture_clips:
                        pictures.append((name, x, recon))
                    progress.advance()
        self._baseline_rows = baseline_rows
        result = {
            "mean": self._mean(rows),
            "clips": rows,
            "baseline": None,
            "protocol": {metric.name: metric.protocol for metric in self.metrics},
            "unreadable": [[str(path), str(reason)] for path, reason in getattr(self.dataset, "unreadable", [])],
            "seconds": time.monotonic() - started,
            "pictures": pictures,
        }
        if with_baseline and baseline_rows:
            result["baseline"] = {"name": self.baseline_name, "mean": self._mean(baseline_rows), "clips": baseline_rows}
        return result

    def _batches(self):
        """Yields the indices and pixels of up to batch_size neighbours of one shape."""
        indices, clips = [], []
        for index in range(self.clips):
            x = self._clip(index)
            if clips and (len(clips) == self.batch_size or clips[0].shape != x.shape):
                yield indices, np.stack(clips)
                indices, clips = [], []
            indices.append(index)
            clips.append(x)
        yield indices, np.stack(clips)

    def _clip(self, index):
        item = self.dataset[index]
        return np.asarray(item[0] if isinstance(item, tuple) else item, np.float32)

    def _name(self, index):
        describe = getattr(self.dataset, "describe", None)
        if describe is None:
            return str(index)
        facts = describe(index)
        return str(facts.get("relative_path", facts["path"]))

    def _measure(self, recon, x):
        return {metric.name: float(metric(recon, x)) for metric in self.metrics}

    def _mean(self, rows):
        return {metric.name: float(np.mean([row[metric.name] for row in rows])) for metric in self.metrics}


class _Silent:
    """Stands for the progress bar where none is wanted."""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def advance(self):
        """Nothing to show."""
