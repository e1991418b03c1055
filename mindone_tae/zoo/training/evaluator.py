"""Metrics on fixed clips, for any model and for baselines."""

import logging
import time
from collections.abc import Callable

import numpy as np

import mindspore as ms

from .. import registry
from ..compiling import FirstCalls
from ..device.ranks import Ranks
from ..errors import UserError
from ..progress import Progress
from ..protocols import reconstruct, unreadable_files
from ..recipe.schema import Eval
from .figures import Figures, over

_logger = logging.getLogger(__name__)

# Among the names of the networks that are measured, the model's; baselines have those of the registry.
_MODEL = ""


def baseline_specs(baseline: dict | list | None) -> list[dict]:
    """A recipe's `eval.baseline`, one component or a list of them or None, as a list."""
    return baseline if isinstance(baseline, list) else [baseline] if baseline else []


class Evaluator:
    """Measures models on the clips of one dataset, always the same ones.

    Args:
        section: the recipe's eval section.
        title: of the progress bar; None shows none.
        ranks: that share the clips; None: there is only this process.

    Raises:
        UserError: the dataset cannot be built or is empty.
    """

    def __init__(self, section: Eval, title: str | None = "evaluate", ranks: Ranks | None = None):
        try:
            self.dataset = registry.build("mindone.datasets", section.dataset)
        except UserError as error:  # it inherits the training dataset's keys, which has the same name
            raise UserError(f"eval.dataset: {error}") from error
        self.metrics = [named(metric, registry.build("mindone.metrics", metric)) for metric in section.metrics]
        self.baselines = {
            spec["name"]: registry.build("mindone.models", spec) for spec in baseline_specs(section.baseline)
        }
        self.clips = min(len(self.dataset), section.max_clips or len(self.dataset))
        self.batch_size = section.batch_size
        self.picture_clips = section.picture_clips
        self.ranks = ranks or Ranks()
        self.title = title if self.ranks.first else None
        self._measured = None  # of the baselines
        self._first_calls = FirstCalls("the evaluation", ms.get_context("mode") == ms.GRAPH_MODE and self.ranks.first)
        self._warned = set()
        if self.clips == 0:
            raise UserError("the evaluation dataset is empty; it needs at least one clip: check eval.dataset")
        for metric in self.metrics:
            least = getattr(metric, "min_clips", 1)
            if self.clips < least:
                raise UserError(
                    f"{metric.name} takes at least {least} clips, and the evaluation has {self.clips}: "
                    "add clips, raise eval.max_clips, or take it out of eval.metrics"
                )

    def run(
        self,
        model,
        interrupted: Callable[[], bool] = lambda: False,
        on_clip: Callable | None = None,
    ) -> dict | None:
        """Reconstructs every clip and measures it; each rank a share of them, and all give the same result.

        The recipe's baselines are measured too, in the first run only.

        Args:
            model: by `protocols`.
            interrupted: called before each batch of clips; True ends the evaluation.
            on_clip: called with (index, x, recon) of each clip of this rank, arrays (c, t, h, w).

        Returns:
            None where it was interrupted on any rank; otherwise a dict: `clips` (a row each: path, shape, figures of
            metrics of a clip), `mean` over clips, with the figures of metrics of a whole set, `sets` (facts of each of
            these), `baselines` (a list of dicts: name, clips, mean), `baseline`, the first of them or None, `protocol`,
            `unreadable`, `seconds`; and `pictures`, a list of (name, x, recon) for the first clips, on rank 0.
        """
        started = time.monotonic()
        share = self.ranks.share(self.clips)
        pictured = range(min(self.picture_clips, self.clips)) if self.ranks.first else range(0)
        networks = {_MODEL: model, **(self.baselines if self._measured is None else {})}
        figures, pictures = {name: Figures(self.metrics) for name in networks}, []
        found = {"figures": {name: its.results for name, its in figures.items()}}
        with Progress(self.title, len(share), "clips", shown=self.title is not None) as progress:
            for indices, batch in self._batches([*share, *pictured[len(share) :]]):
                if interrupted():
                    found = None
                    break
                with self._first_calls.of(batch.shape):
                    recons = {name: reconstruct(network, batch) for name, network in networks.items()}
                for place, (index, x) in enumerate(zip(indices, batch)):
                    path, recon = self._name(index), recons[_MODEL][place]
                    if index in pictured:
                        pictures.append((path, x, recon))
                    if index not in share:
                        continue  # another rank measures it; here it is reconstructed for its picture
                    for name, its in figures.items():
                        shape = {"frames": x.shape[1], "size": list(x.shape[2:])} if name == _MODEL else {}
                        its.add({"path": path, **shape}, recons[name][place], x)
                    if on_clip is not None:
                        on_clip(index, x, recon)
                    progress.advance()
        if found:
            found["unreadable"] = unreadable_files(self.dataset)
        return self._together(self.ranks.gather(found), pictures, started)

    def _together(self, parts, pictures, started):
        """The result, from the figures of all ranks."""
        if None in parts:
            return None
        found = {name: over(self.metrics, [part["figures"][name] for part in parts]) for name in parts[0]["figures"]}
        rows, mean, sets = found.pop(_MODEL)
        if self._measured is None:
            self._measured = [{"name": name, "mean": its, "clips": clips} for name, (clips, its, _) in found.items()]
        self._warn(sets)
        unreadable = dict.fromkeys(tuple(problem) for part in parts for problem in part["unreadable"])
        return {
            "mean": mean,
            "clips": rows,
            "sets": sets,
            "baselines": self._measured,
            "baseline": self._measured[0] if self._measured else None,
            "protocol": {metric.name: metric.protocol for metric in self.metrics},
            "unreadable": [list(problem) for problem in unreadable],
            "seconds": time.monotonic() - started,
            "pictures": pictures,
        }

    def _warn(self, sets):
        """Logs the warnings of metrics of a whole set, each once."""
        for name, facts in sets.items():
            for warning in facts.get("warnings", []):
                if self.ranks.first and (name, warning) not in self._warned:
                    self._warned.add((name, warning))
                    _logger.warning("%s: %s", name, warning)

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


def named(spec, metric):
    """A metric with a name and a protocol for the table: its own, or by default the name in the registry."""
    name = spec if isinstance(spec, str) else spec["name"]
    for attribute, default in (("name", name), ("protocol", "its package does not say")):
        if not hasattr(metric, attribute):
            try:
                setattr(metric, attribute, default)
            except AttributeError as error:  # a frozen dataclass, one with __slots__, a method
                raise UserError(
                    f"metric '{name}' has no {attribute}, and a {type(metric).__name__} takes none: "
                    f"give its class an attribute {attribute}"
                ) from error
    return metric
