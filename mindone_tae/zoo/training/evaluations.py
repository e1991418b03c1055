"""Evaluations of a model while it trains: when, with which weights, what becomes of them."""

from .best import Best
from .evaluator import Evaluator


class Evaluations:
    """Evaluates on fixed clips, keeps the figures, and marks the best checkpoint.

    Args:
        recipe: a Recipe.
        checkpoints: the run's Checkpoints.
        on_pictures: called with (step, [(name, x, recon), ...]), or None.
        ranks: that share the clips; None: there is only this process.

    Raises:
        UserError: the clips cannot be read, or train.keep_best is no metric of theirs.
    """

    def __init__(self, recipe, checkpoints, on_pictures=None, ranks=None):
        self.every = recipe.train.eval_every
        self.checkpoints = checkpoints
        self.on_pictures = on_pictures
        self._evaluator = Evaluator(recipe.eval, title=None, ranks=ranks)
        self._best = Best(recipe.train.keep_best, self._evaluator.metrics) if recipe.train.keep_best else None

    def are_due(self, step, steps):
        """Whether the recipe evaluates after this step of so many."""
        return step > 0 and (step == steps or step % self.every == 0)

    def best_of(self, figures):
        """The best of past evaluations.

        Args:
            figures: (step, metric to figure) pairs in their order.

        Returns:
            A dict with step, metric and value; None where there is none, or the recipe asks for none.
        """
        best = None
        for step, values in figures if self._best else ():
            value = values.get(self._best.name)
            if value is not None and self._best.beats(value, best and best["value"]):
                best = {"step": step, "metric": self._best.name, "value": value}
        return best

    def run(self, step, trained, state, log, stop):
        """Evaluates the moving average where there is one, otherwise the weights.

        Args:
            step: steps made.
            trained: the model's Trained.
            state: TrainingState, saved where this evaluation is the best so far.
            log: TrainingLog.
            stop: StopRequest; an evaluation that it interrupts leaves nothing, and a resumed run makes up for it.

        Raises:
            UserError: the folder cannot be written.
        """
        result = self._evaluate(trained, stop)
        if result is None:
            return
        best = {}
        if self._best:
            metric, before = self._best.name, self.checkpoints.best
            value = result["mean"][metric]
            if self._best.beats(value, before["value"] if before and before["metric"] == metric else None):
                best = {"metric": metric, "value": value}
        if best and self.checkpoints.step != step:
            self.checkpoints.save(step, state.arrays())
        log.evaluation(step, result)
        if self.on_pictures and result["pictures"]:
            self.on_pictures(step, result["pictures"])
        # Last: a kill before this line has the evaluation made again.
        self.checkpoints.record_evaluation(step, **best)

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
