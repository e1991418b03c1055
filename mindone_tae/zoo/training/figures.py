"""The metrics' figures of one model's reconstructions, by clip and over the whole set."""

import numpy as np

from ..protocols import is_set_metric


class Figures:
    """Measures a model's clips as they come; the results can be sent to other ranks.

    Args:
        metrics: by `protocols`, of both kinds.

    Attributes:
        results: the input of `over`, JSON values: `rows`, a dict for each clip, with the figures of metrics that
            measure a clip; and `collected`, name of each metric over a set to the list of its statistics, one for each
            clip.
    """

    def __init__(self, metrics: list):
        self._metrics = metrics
        self.results = {"rows": [], "collected": {metric.name: [] for metric in metrics if is_set_metric(metric)}}

    def add(self, facts: dict, recon: np.ndarray, x: np.ndarray) -> None:
        """Measures a clip.

        Args:
            facts: dict of its row's other entries.
            recon: (c, t, h, w).
            x: the same shape.
        """
        row = dict(facts)
        for metric in self._metrics:
            if is_set_metric(metric):
                self.results["collected"][metric.name].append(metric.collect(recon, x))
            else:
                row[metric.name] = float(metric(recon, x))
        self.results["rows"].append(row)


def over(metrics: list, parts: list[dict]) -> tuple[list[dict], dict, dict]:
    """The figures over all clips.

    Args:
        metrics: by `protocols`, of both kinds.
        parts: `Figures.results` of each rank.

    Returns:
        (rows, mean, sets): the rows of all clips; metric to the mean over clips, or to the figure of the whole set; and
        metric over a set to its facts, such as the number of clips.
    """
    rows = [row for part in parts for row in part["rows"]]
    mean, sets = {}, {}
    for metric in metrics:
        if is_set_metric(metric):
            collected = [clip for part in parts for clip in part["collected"][metric.name]]
            mean[metric.name] = float(metric.finish(collected))
            sets[metric.name] = metric.describe(collected) if hasattr(metric, "describe") else {"clips": len(collected)}
        else:
            mean[metric.name] = float(np.mean([row[metric.name] for row in rows]))
    return rows, mean, sets
