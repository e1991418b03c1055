"""Finding the best of a run's evaluations by one metric."""

import math

from ..errors import UserError, did_you_mean, listed


class Best:
    """Compares evaluations.

    Args:
        name: of the metric, train.keep_best.
        metrics: the evaluator's, each with a name.

    Raises:
        UserError: none of them has this name, or it does not say which way is better.
    """

    def __init__(self, name: str, metrics: list):
        known = {metric.name: metric for metric in metrics}
        if name not in known:
            raise UserError(
                f"train.keep_best is {name}; it must be a metric of eval.metrics{did_you_mean(name, known)} "
                f"(there: {listed(known)}): add it there, or set train.keep_best=null"
            )
        self.name = name
        self._higher = getattr(known[name], "higher_is_better", None)
        if self._higher is None:
            raise UserError(
                f"train.keep_best is {name}; this metric does not say whether higher is better: "
                "give its class higher_is_better"
            )

    def beats(self, value: float, best: float | None) -> bool:
        """Whether a value is better than that of the best so far (None: there is none). A NaN never is."""
        if math.isnan(value):
            return False
        return best is None or (value > best if self._higher else value < best)
