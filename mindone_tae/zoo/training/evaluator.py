"""Metrics on fixed clips, for any model, beside a baseline."""

import logging
import time

import numpy as np

from .. import registry
from ..device.ranks import Ranks
from ..errors import UserError
from ..progress import NoProgress, Progress
from ..protocols import reconstruct

_logger = logging.getLogger(__name__)


class Evaluator:
    """Measures models on the clips of one dataset, always the same ones.

    Args:
        section: the recipe's eval section.
        title: of the progress bar; None shows none.
        ranks: that share the clips; None: there is only this process.

    Raises:
        UserError: the dataset cannot be built or is empty.
    """

    def __init__(self, section, title="evaluate", ranks=None):
        self.dataset = registry.build("mindone.datasets", section.dataset)
        self.metrics = [registry.build("mindone.metrics", metric) for metric in section.metrics]
        self.baseline = registry.build("mindone.models", section.baseline) if section.baseline else None
        self.baseline_name = section.baseline["name"] if section.baseline else None
        self.clips = min(len(self.dataset), section.max_clips or len(self.dataset))
        self.batch_size = section.batch_size
        self.picture_clips = section.picture_clips
        self.ranks = ranks or Ranks()
        self.title = title if self.ranks.first else None
        self._baseline_rows = None
        if self.clips == 0:
            raise UserError("the evaluation dataset is empty; it needs at least one clip: check eval.dataset")

    def run(self, model, with_baseline=True, interrupted=lambda: False):
        """Reconstructs every clip and measures it; each rank a share of them, and all give the same result.

        Args:
            model: by `protocols`.
            with_baseline: measure the recipe's baseline too; it is computed once.
            interrupted: asked before each batch of clips; where it says yes, the evaluation ends there.

        Returns:
            None where it was interrupted on any rank; otherwise a dict: `clips` (a row each: path, shape, metric values), `mean` over
            clips, `baseline` likewise or None, `protocol`, `unreadable`, `seconds`; and `pictures`, a list of (name, x, recon) for the
            first clips, on the first rank.
        """
        started = time.monotonic()
        compute_baseline = with_baseline and self.baseline is not None and self._baseline_rows is None
        share = self.ranks.share(self.clips)
        pictured = range(min(self.picture_clips, self.clips)) if self.ranks.first else range(0)
        rows, baseline_rows, pictures = [], [], []
        told = {"rows": rows, "baseline": baseline_rows, "unreadable": []}
        with Progress(self.title, len(share), "clips") if self.title else NoProgress() as progress:
            for indices, batch in self._batches([*share, *pictured[len(share) :]]):
                if interrupted():
                    told = None
                    break
                recons = reconstruct(model, batch)
                rebuilt = reconstruct(self.baseline, batch) if compute_baseline else [None] * len(batch)
                for index, x, recon, simple in zip(indices, batch, recons, rebuilt):
                    name = self._name(index)
                    if index in pictured:
                        pictures.append((name, x, recon))
                    if index not in share:
                        continue  # another rank's, reconstructed here for its picture
                    rows.append({"path": name, "frames": x.shape[1], "size": list(x.shape[2:]), **self._measure(recon, x)})
                    if simple is not None:
                        baseline_rows.append({"path": name, **self._measure(simple, x)})
                    progress.advance()
        if told:
            told["unreadable"] += [[str(path), str(reason)] for path, reason in getattr(self.dataset, "unreadable", [])]
        return self._together(self.ranks.gather(told), compute_baseline, with_baseline, pictures, started)

    def _together(self, told, compute_baseline, with_baseline, pictures, started):
        """The result, of what each rank found."""
        if None in told:
            return None
        rows = [row for part in told for row in part["rows"]]
        if compute_baseline:
            self._baseline_rows = [row for part in told for row in part["baseline"]]
        result = {
            "mean": self._mean(rows),
            "clips": rows,
            "baseline": None,
            "protocol": {metric.name: metric.protocol for metric in self.metrics},
            "unreadable": [list(problem) for problem in dict.fromkeys(tuple(problem) for part in told for problem in part["unreadable"])],
            "seconds": time.monotonic() - started,
            "pictures": pictures,
        }
        if with_baseline and self._baseline_rows:
            result["baseline"] = {"name": self.baseline_name, "mean": self._mean(self._baseline_rows), "clips": self._baseline_rows}
        return result

    def _batches(self, chosen):
        """Yields the indices and pixels of up to batch_size neighbours of one shape."""
        indices, clips = [], []
        for index in chosen:
            x = self._clip(index)
            if clips and (len(clips) == self.batch_size or clips[0].shape != x.shape):
                yield indices, np.stack(clips)
                indices, clips = [], []
            indices.append(index)
            clips.append(x)
        if clips:
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
