"""Evaluations of a model while it trains: when, with which weights, and what is saved of them."""

import logging
import math

from ..errors import UserError, did_you_mean, listed
from .evaluator import Evaluator

_logger = logging.getLogger(__name__)

# Keys by which a dataset says where its clips are.
_PLACES = ("csv_path", "folder", "path", "manifest_path")


class Evaluations:
    """Evaluates on fixed clips, records the figures, and marks the best checkpoint.

    Evaluations are recorded in metrics.jsonl, where a resumed run finds the best of them.

    Args:
        recipe: a Recipe; where train.eval_every is 0 nothing is ever evaluated.
        run_folder: RunFolder.
        checkpoints: the run's Checkpoints.
        first: steps made before this session.
        steps: of the whole run.
        on_pictures: called with (step, [(name, x, recon), ...]), or None.
        ranks: that share the clips.

    Attributes:
        best: the best evaluation that has a checkpoint, a dict with step, metric and value; None without one.
        figures: of the last evaluation in this session, name to text, for the progress bar.

    Raises:
        UserError: the clips cannot be read, or train.keep_best is no metric of theirs.
    """

    def __init__(self, recipe, run_folder, checkpoints, first, steps, on_pictures, ranks):
        self.every = recipe.train.eval_every
        self.steps = steps
        self.checkpoints = checkpoints
        self.on_pictures = on_pictures
        self.best, self.figures, self._last = None, {}, None
        if not self.every:
            return
        if same_clips(recipe):
            kept = f", by whose {recipe.train.keep_best} the best checkpoint is kept," if recipe.train.keep_best else ""
            _logger.warning(
                "evaluations%s are of the training clips: name others by eval.dataset.csv_path or eval.dataset.folder",
                kept,
            )
        self._evaluator = Evaluator(recipe.eval, title=None, ranks=ranks)
        self._metric = recipe.train.keep_best
        self._higher = _higher_is_better(self._metric, self._evaluator.metrics) if self._metric else None
        saved = checkpoints.steps()
        for step, values in run_folder.evaluations(first):
            self._last = step
            if step in saved:
                self._note_if_best(step, values)

    def due(self, step: int) -> bool:
        """Whether the recipe evaluates after this step."""
        return bool(self.every) and step > 0 and (step == self.steps or step % self.every == 0)

    def missing(self, step: int) -> bool:
        """Whether the evaluation after this step is due and not recorded."""
        return self.due(step) and self._last != step

    def run(self, step: int, trained, state, log, stop) -> None:
        """Evaluates the moving average where there is one, otherwise the weights.

        Args:
            step: steps made.
            trained: the model's Trained.
            state: TrainingState, saved where this evaluation is the best so far.
            log: TrainingLog.
            stop: StopRequest; an interrupted evaluation records nothing, and a resumed run makes it.

        Raises:
            UserError: the folder cannot be written.
        """
        result = self._evaluate(trained, stop)
        if result is None:
            return
        if self._is_best(result["mean"]) and self.checkpoints.step != step:
            self.checkpoints.save(step, state.arrays())
        pictures = None
        if self.on_pictures and result["pictures"]:
            pictures = self.on_pictures(step, result["pictures"])
        better = self._note_if_best(step, result["mean"])
        # Last: after a kill before the line in metrics.jsonl the evaluation is made again.
        log.evaluation(step, result, best=better, pictures=pictures)
        self._last = step
        self.figures = _beside_the_baseline(result)
        if better:
            self.checkpoints.prune()

    def _is_best(self, values):
        value = values.get(self._metric)
        if value is None or math.isnan(value):
            return False
        return self.best is None or (value > self.best["value"] if self._higher else value < self.best["value"])

    def _note_if_best(self, step, values):
        if not self._is_best(values):
            return False
        self.best = {"step": step, "metric": self._metric, "value": values[self._metric]}
        self.checkpoints.best_step = step
        return True

    def _evaluate(self, trained, stop):
        model, ema = trained.network, trained.ema
        model.set_train(False)
        if ema:
            ema.swap_before_eval()
        try:
            return self._evaluator.run(model, interrupted=lambda: stop.signal is not None)
        finally:
            if ema:
                ema.swap_after_eval()
            model.set_train(True)


def same_clips(recipe):
    """Whether evaluation and training use the same clips."""
    training, other = recipe.dataset, recipe.eval.dataset
    places = [key for key in _PLACES if training.get(key) is not None or other.get(key) is not None]
    if training["name"] != other["name"] or not places:
        return training == other
    return all(training.get(key) == other.get(key) for key in places)


def _beside_the_baseline(result):
    """The first metric's mean, and the baseline's in brackets; {} without metrics."""
    if not result["mean"]:
        return {}
    name = next(iter(result["mean"]))
    baseline = result["baseline"]
    beside = f" ({baseline['mean'][name]:.2f})" if baseline else ""
    return {name: f"{result['mean'][name]:.2f}{beside}"}


def _higher_is_better(name, metrics):
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
