"""The training loop, for any model, dataset and loss."""

import json
import logging
import time

import mindspore as ms
from mindone.trainers import EMA, create_optimizer, create_scheduler
from mindspore import nn

from . import environment, registry
from .checkpoint import Checkpoints
from .errors import UserError
from .evaluator import Evaluator
from .loader import BatchLoader
from .progress import Progress
from .protocols import build_model, model_inputs
from .run_folder import RunFolder
from .step import ForwardWithLoss, TrainStep
from .training_state import TrainingState

_logger = logging.getLogger(__name__)

# mindone's optimizers that have no CPU kernels
_NOT_ON_CPU = ("adamw_bf16", "adamw_mint", "came")


class Trainer:
    """Trains what a recipe names.

    Args:
        recipe: a Recipe.
        output_path: the run's folder.
        resume: go on from what the folder holds; where it holds nothing, start.
        on_pictures: called with (step, [(name, x, recon), ...]) after an evaluation.

    Raises:
        UserError: whatever the user can mend.
    """

    def __init__(self, recipe, output_path, resume=False, on_pictures=None):
        self.recipe = recipe
        self.run_folder = RunFolder(output_path)
        self.resume = resume
        self.on_pictures = on_pictures

    def run(self):
        """Trains to the recipe's last step.

        Returns:
            The path of the last checkpoint's weights, or None where the run was complete already.
        """
        recipe, train = self.recipe, self.recipe.train
        rank, ranks = environment.start(recipe.env, recipe.model, train.seed)
        if recipe.env.device_target == "CPU" and recipe.optimizer["name"] in _NOT_ON_CPU:
            raise UserError(f"optimizer.name is {recipe.optimizer['name']}; it has no CPU kernels: add optimizer.name=adamw_re to the command")
        checkpoints = Checkpoints(self.run_folder.checkpoints, train.keep_checkpoints, {"model": json.dumps(recipe.model)})
        found = self._find(checkpoints)

        dataset = registry.build("mindone.datasets", recipe.dataset)
        unreadable = self._report_unreadable(dataset, 0)
        loader = BatchLoader(
            dataset,
            train.batch_size,
            train.seed,
            shuffle=recipe.loader.shuffle,
            num_workers=recipe.loader.num_workers,
            prefetch_steps=recipe.loader.prefetch_steps,
            rank=rank,
            ranks=ranks,
        )
        micro_steps = train.gradient_accumulation_steps
        steps = train.steps or -(-train.epochs * loader.steps_per_epoch() // micro_steps)
        evaluator = Evaluator(recipe.eval, title=None) if train.eval_every else None

        model = build_model(recipe.model)
        loss = registry.build("mindone.losses", recipe.require("loss"))
        for note in getattr(loss, "notes", []):
            _logger.warning("%s", note)
        # The first batch is tried before anything is compiled, so that a shape the model refuses is told at once.
        first_inputs = model_inputs(model, loader.batch(0), loader.model_rng(0))
        learning_rates = create_scheduler(loader.steps_per_epoch(), total_steps=steps, **recipe.scheduler)
        step_cell, ema = self._build_step(model, loss, learning_rates, len(first_inputs))
        state = TrainingState(model, loss, step_cell, ema)

        first = 0
        if found:
            first, *arrays = found
            state.restore(*arrays, source=f"{self.run_folder.path} at step {first}")
        self.run_folder.write_config(recipe)
        self.run_folder.start_metrics(first)
        self._announce(model, dataset, first, steps)

        term_names = ("loss", *getattr(loss, "term_names", ()))
        saved, refused_in_a_row = None, 0
        batches = loader.stream(first * micro_steps, steps * micro_steps)
        with Progress("train", steps, done=first) as progress:
            for step in range(first, steps):
                started = time.monotonic()
                for micro_step in range(micro_steps):
                    batch = next(batches)
                    inputs = model_inputs(model, batch, loader.model_rng(step * micro_steps + micro_step))
                    tensors = [ms.Tensor(array) for array in (*inputs, *batch)]
                    terms, norm, refused, scale = step_cell(micro_step == micro_steps - 1, *tensors)
                figures = {name: float(term.asnumpy()) for name, term in zip(term_names, terms)}
                norm, refused = float(norm.asnumpy()), bool(refused.asnumpy())
                seconds = time.monotonic() - started

                refused_in_a_row = refused_in_a_row + 1 if refused else 0
                if (step + 1) % train.log_every == 0 or refused:
                    self.run_folder.append_metrics(
                        {
                            "step": step + 1,
                            **figures,
                            "learning_rate": float(learning_rates[step]),
                            "gradient_norm": norm,
                            "loss_scale": float(scale.asnumpy()),
                            "seconds": round(seconds, 4),
                            "shape": list(batch[0].shape),
                            "refused": refused,
                        }
                    )
                progress.advance({"loss": f"{figures['loss']:.4g}", "s/step": f"{seconds:.2f}"})
                unreadable = self._report_unreadable(dataset, unreadable)
                if refused:
                    self._report_refused(step + 1, figures, norm, refused_in_a_row, saved)

                ends = step + 1 == steps
                if ends or (step + 1) % train.save_every == 0:
                    saved = checkpoints.save(step + 1, *state.arrays())
                if evaluator and (ends or (step + 1) % train.eval_every == 0):
                    self._evaluate(evaluator, step + 1, model, ema)
        return saved

    def _find(self, checkpoints):
        found = checkpoints.latest()
        if found and not self.resume:
            raise UserError(
                f"{self.run_folder.path} holds a run at step {found[0]}; a new run needs a folder of its own: "
                "add --resume to go on with it, or choose another --output_path"
            )
        return found

    def _build_step(self, model, loss, learning_rates, input_count):
        train = self.recipe.train
        model.set_train(True)
        optimizer = create_optimizer(model.trainable_params(), lr=learning_rates, **self.recipe.optimizer)
        ema = EMA(model, train.ema_decay) if train.ema_decay else None
        scale = ms.Tensor(train.loss_scale, ms.float32)
        if train.dynamic_loss_scale:
            scale = nn.DynamicLossScaleUpdateCell(train.loss_scale, scale_factor=2, scale_window=1000)
        network = ForwardWithLoss(model, loss, input_count)
        return TrainStep(network, optimizer, scale, ema, train.gradient_accumulation_steps, train.clip_norm), ema

    def _announce(self, model, dataset, first, steps):
        parameters = sum(parameter.size for parameter in model.get_parameters())
        mode = "graph mode, the first step of each shape compiles" if self.recipe.env.mode == 0 else "PyNative mode"
        text = "%s: %.2f million parameters, %d clips, step %d to %d, %s"
        _logger.info(text, self.recipe.model["name"], parameters / 1e6, len(dataset), first, steps, mode)

    def _report_unreadable(self, dataset, reported):
        """Writes down files found unreadable since `reported` of them; gives their number now."""
        problems = list(getattr(dataset, "unreadable", ()))
        if len(problems) > reported:
            self.run_folder.write_unreadable(problems)
            _logger.warning("%d files cannot be used and are left out, listed in %s", len(problems), self.run_folder.unreadable)
        return len(problems)

    def _report_refused(self, step, figures, norm, in_a_row, saved):
        _logger.warning("step %d changed nothing: not finite (%s, gradient norm %g)", step, _listed(figures), norm)
        limit = self.recipe.train.max_nonfinite_steps
        if in_a_row >= limit:
            raise UserError(
                f"{in_a_row} steps in a row had a loss or gradient that is not finite, the last step {step}; "
                f"train.max_nonfinite_steps allows fewer than {limit}: lower scheduler.lr, or compute in model.dtype=float32; "
                f"the last checkpoint is {saved or 'the one before this session'}"
            )

    def _evaluate(self, evaluator, step, model, ema):
        model.set_train(False)
        if ema:
            ema.swap_before_eval()
        try:
            result = evaluator.run(model)
        finally:
            if ema:
                ema.swap_after_eval()
            model.set_train(True)
        baseline = result["baseline"]["mean"] if result["baseline"] else None
        self.run_folder.append_metrics({"step": step, "eval": result["mean"], "baseline": baseline, "eval_seconds": round(result["seconds"], 3)})
        beside = f" ({result['baseline']['name']}: {_listed(baseline)})" if baseline else ""
        _logger.info("step %d: %s%s", step, _listed(result["mean"]), beside)
        if self.on_pictures and result["pictures"]:
            self.on_pictures(step, result["pictures"])


def _listed(figures):
    return ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
