"""A run's learning curves, thinned out for the page."""

import numpy as np

_POINTS = 240


def curves_of(run):
    """Loss and evaluations by step.

    Args:
        run: a training run's folder; None, or one without figures yet, has no curves.

    Returns:
        None, or a dict of name to {"steps", "values", "baselines": {name: value}}; metrics as they were measured, the
        loss as the mean of up to 240 intervals of steps. Values that are not finite are left out.
    """
    from mindone_tae.zoo import UserError
    from mindone_tae.zoo.run.curves import read_curves

    if run is None:
        return None
    try:
        read = read_curves(run)
    except UserError:
        return None
    found = {}
    for metric, (steps, values) in read.metrics.items():
        baseline = read.baselines.get(metric)
        found[metric] = {**_finite(steps, values), "baselines": dict([baseline]) if baseline else {}}
    if "loss" in read.losses:
        found["loss"] = {**_finite(*_thinned(*read.losses["loss"])), "baselines": {}}
    return found or None


def _thinned(steps, values):
    parts = min(_POINTS, len(steps))
    return tuple(np.array([np.mean(part) for part in np.array_split(numbers, parts)]) for numbers in (steps, values))


def _finite(steps, values):
    kept = np.isfinite(values)
    return {"steps": steps[kept].round(1).tolist(), "values": [float(f"{value:.5g}") for value in values[kept]]}
