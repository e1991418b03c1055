"""A training run from its recipe to its last step, top to bottom: data, networks, checkpoint, and the loop."""

import json
import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import contextmanager

import numpy as np

import mindspore as ms
from mindone.trainers import create_scheduler

from .. import registry
from ..compiling import FirstCalls
from ..device import environment
from ..device.ranks import Ranks
from ..errors import UserError
from ..progress import Progress
from ..protocols import build_model, model_inputs
from ..recipe.changes import section_changes
from ..recipe.recipe import Recipe
from ..run.checkpoints import MODEL, Checkpoints, Saved
from ..run.folder import RunFolder
from ..run.log import NoLog, TrainingLog, listed_figures
from ..run.session import describe_session
from ..run.state import TrainingState
from .adversarial import AdversarialPair
from .batches import BatchLoader
from .evaluations import Evaluations
from .single_network import SingleNetwork, naming_the_loss
from .stopping import Stopped, StopRequest
from .unreadable import UnreadableFiles

_logger = logging.getLogger(__name__)

# mindone's schedulers that decay over decay_steps; its default of 0 steps would drop the rate to end_lr right after
# warm-up, or divide by 0
_DECAYING = ("cosine_decay", "polynomial_decay", "cosine_annealing_warm_restarts_lr")
# A dynamic loss scale is not halved below this.
_LEAST_LOSS_SCALE = 1.0
_MEAN_STEPS = 100
# Keys that decide what a checkpoint holds besides the model.
_SHAPES_THE_STATE = ("optimizer.", "discriminator.", "train.ema_decay", "train.dynamic_loss_scale")


def training_loop(
    recipe: Recipe,
    run_folder: RunFolder,
    checkpoints: Checkpoints,
    found: Saved | None,
    ranks: Ranks,
    on_pictures: Callable | None = None,
) -> tuple[int, bool, dict | None]:
    """Trains the model of a recipe.

    Args:
        recipe: a Recipe.
        run_folder: RunFolder.
        checkpoints: Checkpoints.
        found: the Saved that the run resumes from, or None.
        ranks: Ranks, the processes that share a step.
        on_pictures: called with (step, [(name, x, recon), ...]) after an evaluation.

    Returns:
        The steps of the recipe; whether any work was left; and the best evaluation, a dict with step, metric and value,
        or None.

    Raises:
        Stopped: by a signal; the current step is saved.
        UserError: a mistake the user can correct; the run can resume from its last checkpoint.
    """
    train = recipe.train
    first = found.step if found else 0

    # Data, and the number of steps.
    dataset = registry.build("mindone.datasets", recipe.dataset)
    shared = {"rank": ranks.rank, "ranks": ranks.count}
    loader = BatchLoader(dataset, train.batch_size, train.seed, **vars(recipe.loader), **shared)
    micro_steps = train.gradient_accumulation_steps
    steps = train.steps or -(-loader.steps_of(train.epochs) // micro_steps)
    evaluations = Evaluations(recipe, run_folder, checkpoints, first, steps, on_pictures, ranks)
    if first >= steps and not evaluations.missing(first):
        if found:
            checkpoints.prune()
        return steps, False, evaluations.best

    # Networks and their training. The first batch is checked before anything is compiled, so that a shape that the
    # model refuses is reported at once.
    model = _cell("model", recipe.model, build_model(recipe.model))
    loss = _cell("loss", recipe.loss, registry.build("mindone.losses", recipe.require("loss")))
    for note in getattr(loss, "notes", []):
        _logger.warning("%s", note)
    inputs = model_inputs(model, loader.batch(0), loader.model_rngs(0))
    columns = getattr(dataset, "output_columns", None) or [f"column {i}" for i in range(len(loader.batch(0)))]
    learning_rates = _learning_rates(recipe.scheduler, steps)
    kind = AdversarialPair if recipe.discriminator else SingleNetwork
    training = kind(recipe, model, loss, len(inputs), learning_rates)
    state = TrainingState(training.networks, frozen=[loss])

    # Restored before anything in the folder is changed: a recipe that does not fit must leave the run untouched.
    if found:
        _restore(state, found, recipe, run_folder)
    checkpoints.clean()  # before anything large is written: it may be what fills the disk
    if ranks.first:
        facts = describe_session(recipe.env, first, len(dataset), ranks.count)
        for change in run_folder.start_session(recipe, facts, goes_on=found is not None):
            _logger.warning("since the last session, %s", change)
    unreadable = UnreadableFiles(dataset, run_folder, ranks)
    unreadable.report()
    _announce(recipe, model, dataset, first, steps)
    if found and first < steps:
        taken = int(training.networks[MODEL].update.optimizer.global_step.asnumpy().item())  # refused steps take none
        _announce_learning_rate(run_folder, learning_rates[taken : taken + steps - first], first)

    log = TrainingLog(run_folder, first) if ranks.first else NoLog()
    bar = Progress("train", steps, done=first, shown=ranks.first)
    first_steps = FirstCalls("a training step", recipe.env.mode == 0 and ranks.first)
    shapes, losses, refused_in_a_row = set(), deque(maxlen=_MEAN_STEPS), 0
    with _naming_the_last(checkpoints), log, bar, StopRequest() as stop:
        if evaluations.missing(first):  # a kill came between a checkpoint and its evaluation
            evaluations.run(first, training.networks[MODEL], state, log, stop)
            _stop_if_asked(first, steps, stop, checkpoints, state, ranks)
        batches = loader.stream(first * micro_steps, steps * micro_steps)

        for step in range(first, steps):
            stop.listen()
            environment.seed_step(train.seed, step, ranks.rank)
            started, waited = time.monotonic(), 0.0
            update = training.networks[MODEL].update
            loss_scale = float(update.scale_sense.asnumpy())
            # Refused steps take no learning rate: the optimizer is behind the run by as many.
            learning_rate = float(learning_rates[int(update.optimizer.global_step.asnumpy().item())])

            # Gradients of each micro-batch, and with the last of them the update.
            results = []
            for micro_step in range(micro_steps):
                asked = time.monotonic()
                batch = next(batches)
                waited += time.monotonic() - asked
                inputs = model_inputs(model, batch, loader.model_rngs(step * micro_steps + micro_step))
                tensors = [ms.Tensor(array) for array in (*inputs, *batch)]
                with first_steps.of(batch[0].shape), naming_the_loss(recipe.loss["name"], loss, columns):
                    result = training.step(step, micro_step == micro_steps - 1, *tensors)
                results.append(result.terms[: len(training.term_names)])

            # The step's results.
            values = np.mean([[float(term.asnumpy()) for term in terms] for terms in results], axis=0)
            terms = dict(zip(training.term_names, ranks.mean(values.tolist())))
            norm, refused = float(result.norm.asnumpy()), bool(result.refused.asnumpy())
            seconds, shape = time.monotonic() - started, batch[0].shape
            done = step + 1
            if done % train.log_every == 0 or refused:
                entry = {
                    "learning_rate": learning_rate,
                    "gradient_norm": norm,
                    "loss_scale": loss_scale,
                    "shape": list(shape),
                    "refused": refused,
                    "seconds": round(seconds, 4),
                    "data_seconds": round(waited, 4),  # of these, spent waiting for the batch
                }
                log.step(done, {**terms, **entry})
            if not refused:
                losses.append(terms["loss"])
                refused_in_a_row = 0
            mean = {"mean": f"{sum(losses) / len(losses):.4g}"} if len(losses) > 1 else {}
            figures = {"loss": f"{terms['loss']:.4g}", **mean, "s/step": f"{seconds:.2f}", **evaluations.figures}
            bar.advance(figures, usual=shape in shapes)
            shapes.add(shape)

            # A step that is not finite changed nothing. As long as a dynamic loss scale can be halved, that may help.
            if refused:
                why = listed_figures(terms)
                _logger.warning("step %d changed nothing: not finite (%s, gradient norm %g)", done, why, norm)
                if not (train.dynamic_loss_scale and loss_scale > _LEAST_LOSS_SCALE):
                    refused_in_a_row += 1
            saves = done == steps or done % train.save_every == 0
            unreadable.report(everywhere=saves)
            if refused_in_a_row >= train.max_nonfinite_steps:
                raise UserError(
                    f"{refused_in_a_row} steps in a row had a loss or gradient that is not finite, the last step "
                    f"{done}; train.max_nonfinite_steps allows fewer than {train.max_nonfinite_steps}: "
                    "lower scheduler.lr, or compute in model.dtype=float32"
                )

            if saves:
                checkpoints.save(done, state.arrays())
            if evaluations.due(done):
                evaluations.run(done, training.networks[MODEL], state, log, stop)
            _stop_if_asked(done, steps, stop, checkpoints, state, ranks)
    return steps, True, evaluations.best


def _cell(section, spec, component):
    """A model or loss, checked to be what training needs."""
    if not isinstance(component, ms.nn.Cell):
        raise UserError(
            f"{section}.name is {spec['name']} ({type(component).__name__}), which is no MindSpore cell; "
            "training needs one: take another"
        )
    return component


def _stop_if_asked(step, steps, stop, checkpoints, state, ranks):
    number = ranks.largest(stop.signal or 0)  # all ranks stop after the same step
    if not number:
        return
    if checkpoints.step != step:
        checkpoints.save(step, state.arrays())
    ranks.largest(step)  # a barrier: msrun kills the others when one rank ends, and rank 0 may still be saving
    raise Stopped(
        number,
        f"stopped after step {step} of {steps}, which is saved: the same command with --resume goes on from there",
    )


@contextmanager
def _naming_the_last(checkpoints):
    """Adds the last checkpoint to an error that ends the run."""
    try:
        yield
    except UserError as error:
        left = "no checkpoint was saved yet"
        if checkpoints.step is not None:
            left = f"the last checkpoint is {checkpoints.weights(checkpoints.step)}, from which --resume goes on"
        raise UserError(f"{error}; {left}") from error


def _restore(state, found, recipe, run_folder):
    try:
        state.restore(found.networks, source=f"{run_folder.path} at step {found.step}")
    except UserError as error:
        made_with = _made_with(found)
        # the origin of the weights does not affect their shapes
        changes = section_changes(made_with, recipe.model, "model") if made_with else []
        changes = [change for change in changes if not change.startswith("model.pretrained:")]
        changes += [change for change in run_folder.changes(recipe) if change.startswith(_SHAPES_THE_STATE)]
        differing = f"; what differs is {', '.join(changes)}" if changes else ""
        raise UserError(f"{error}{differing}") from error


def _made_with(found):
    """The model section that a checkpoint notes; {} where it notes none that can be read."""
    try:
        noted = json.loads(found.metadata.get("model", "{}"))
    except (ValueError, RecursionError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _announce(recipe, model, dataset, first, steps):
    parameters = sum(parameter.size for parameter in model.get_parameters())
    mode = "graph mode, the first step of each shape compiles" if recipe.env.mode == 0 else "PyNative mode"
    text = "%s: %.2f million parameters, %d clips, step %d to %d, %s"
    _logger.info(text, recipe.model["name"], parameters / 1e6, len(dataset), first, steps, mode)


def _announce_learning_rate(run_folder, coming, first):
    """Logs the learning rate, since a schedule over the number of steps changes where that was changed."""
    before = run_folder.last_learning_rate(first)
    came_from = "" if before is None else f"was {before:.3g} at step {first}, "
    ends_with = f" and {coming[-1]:.3g} at step {first + len(coming)}" if len(coming) > 1 else ""
    _logger.info("the learning rate %sis %.3g at step %d%s", came_from, coming[0], first + 1, ends_with)


def _learning_rates(scheduler, steps):
    """The learning rate of each step; decay_steps defaults to all steps after the warm-up."""
    keywords = dict(scheduler)
    if keywords["name"] in _DECAYING and not keywords.get("decay_steps"):
        keywords["decay_steps"] = max(steps - keywords.get("warmup_steps", 0), 1)
    # One step an epoch: the cosine with restarts counts in whole epochs, with one rate for each step of an epoch.
    # A warm-up or a restart beyond the end gives more rates than steps.
    return create_scheduler(1, num_epochs=steps, total_steps=steps, **keywords)[:steps]
