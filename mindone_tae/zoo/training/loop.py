"""The training loop: step, figures, checkpoint, evaluation, and the next."""

import logging
import time
from dataclasses import dataclass
from typing import Any

import mindspore as ms

from ..device import environment
from ..errors import UserError
from ..protocols import model_inputs
from ..run.checkpoints import MODEL
from ..run.log import listed_figures
from .stopping import Stopped

_logger = logging.getLogger(__name__)


@dataclass
class TrainingLoop:
    """Everything a run consists of, ready to go.

    Attributes:
        settings: the recipe's train section.
        loader: BatchLoader.
        training: Alone or Adversarial, which makes the steps.
        learning_rates: of each step.
        state: TrainingState.
        checkpoints: Checkpoints.
        evaluations: Evaluations, or None where the recipe has none.
        report_unreadable: called after each step, to tell of files that turned out to be unreadable; with whether it is to ask every rank.
        ranks: Ranks, the processes that share a step.
    """

    settings: Any
    loader: Any
    training: Any
    learning_rates: Any
    state: Any
    checkpoints: Any
    evaluations: Any
    report_unreadable: Any
    ranks: Any

    def run(self, first, steps, log, progress, stop):
        """Makes the steps first + 1 to steps.

        Args:
            first: steps made before.
            steps: of the whole run.
            log: TrainingLog.
            progress: Progress.
            stop: StopRequest.

        Raises:
            Stopped: after the step in which `stop` was asked for, which is saved.
            UserError: too many steps in a row were not finite, or the folder cannot be written.
        """
        # A kill may have come between a checkpoint and its evaluation.
        if first and self.checkpoints.evaluated != first:
            self._evaluate_if_due(first, steps, log, stop)
            self._stop_if_asked(first, steps, stop)
        micro_steps = self.settings.gradient_accumulation_steps
        batches = self.loader.stream(first * micro_steps, steps * micro_steps)
        refused_in_a_row, shapes = 0, set()
        for step in range(first, steps):
            stop.listen()
            terms, entry = self._step(step, batches)
            done = step + 1
            refused_in_a_row = refused_in_a_row + 1 if entry["refused"] else 0
            if done % self.settings.log_every == 0 or entry["refused"]:
                log.step(done, {**terms, **entry})
            shape = tuple(entry["shape"])
            progress.advance({"loss": f"{terms['loss']:.4g}", "s/step": f"{entry['seconds']:.2f}"}, usual=shape in shapes)
            shapes.add(shape)
            saves = done == steps or done % self.settings.save_every == 0
            self.report_unreadable(saves)
            if entry["refused"]:
                self._report_refused(done, terms, entry["gradient_norm"], refused_in_a_row)

            if saves:
                self.checkpoints.save(done, self.state.arrays())
            self._evaluate_if_due(done, steps, log, stop)
            self._stop_if_asked(done, steps, stop)

    def _step(self, step, batches):
        """One optimizer step: its loss and terms by name, and what else there is to log."""
        environment.seed_step(self.settings.seed, step, self.loader.rank)
        started, waited = time.monotonic(), 0.0
        micro_steps = self.settings.gradient_accumulation_steps
        for micro_step in range(micro_steps):
            asked = time.monotonic()
            batch = next(batches)
            waited += time.monotonic() - asked
            inputs = model_inputs(self.training.networks[MODEL].network, batch, self.loader.model_rngs(step * micro_steps + micro_step))
            tensors = [ms.Tensor(array) for array in (*inputs, *batch)]
            terms, norm, refused, scale = self.training.update(step, micro_step == micro_steps - 1, *tensors)
        values = self.ranks.mean([float(term.asnumpy()) for term in terms[: len(self.training.term_names)]])
        figures = dict(zip(self.training.term_names, values))
        entry = {
            "learning_rate": float(self.learning_rates[step]),
            "gradient_norm": float(norm.asnumpy()),
            "loss_scale": float(scale.asnumpy()),
            "shape": list(batch[0].shape),
            "refused": bool(refused.asnumpy()),
        }
        entry["seconds"] = round(time.monotonic() - started, 4)
        entry["data_seconds"] = round(waited, 4)  # of these, spent waiting for the batch
        return figures, entry

    def _evaluate_if_due(self, step, steps, log, stop):
        if self.evaluations and self.evaluations.are_due(step, steps):
            self.evaluations.run(step, self.training.networks[MODEL], self.state, log, stop)

    def _stop_if_asked(self, step, steps, stop):
        number = self.ranks.largest(stop.signal or 0)  # all ranks leave after the same step
        if not number:
            return
        if self.checkpoints.step != step:
            self.checkpoints.save(step, self.state.arrays())
        self.ranks.largest(step)  # msrun kills the others when the first has gone, and one of them may still be saving
        raise Stopped(number, f"stopped after step {step} of {steps}, which is saved: the same command with --resume goes on from there")

    def _report_refused(self, step, figures, norm, in_a_row):
        _logger.warning("step %d changed nothing: not finite (%s, gradient norm %g)", step, listed_figures(figures), norm)
        limit = self.settings.max_nonfinite_steps
        if in_a_row >= limit:
            raise UserError(
                f"{in_a_row} steps in a row had a loss or gradient that is not finite, the last step {step}; "
                f"train.max_nonfinite_steps allows fewer than {limit}: lower scheduler.lr, or compute in model.dtype=float32"
            )
