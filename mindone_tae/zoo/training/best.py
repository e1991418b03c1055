"""The metric by which a run keeps its best checkpoint."""

from ..errors import UserError, did_you_mean, listed


def higher_is_better(name: str, metrics: list) -> bool:
    """Whether higher values of a metric are better.

    Args:
        name: of the metric, train.keep_best.
        metrics: the evaluator's, each with a name.

    Raises:
        UserError: none of them has this name, or it does not say which way is better.
    """
    known = {metric.name: metric for metric in metrics}
    if name not in known:
        raise UserError(
            f"train.keep_best is {name}; it must be a metric of eval.metrics{did_you_mean(name, known)} "
            f"(there: {listed(known)}): add it there, or set train.keep_best=null"
        )
    higher = getattr(known[name], "higher_is_better", None)
    if higher is None:
        raise UserError(
            f"train.keep_best is {name}; this metric does not say whether higher is better: "
            "give its class higher_is_better"
        )
    return higher
