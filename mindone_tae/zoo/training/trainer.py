"""A training run set up from a recipe, for any model, dataset and loss."""

import json
import logging

from mindone.trainers import create_scheduler

from .. import registry
from ..device import environment
from ..device.sharding import check_stage
from ..errors import UserError
from ..progress import NoProgress, Progress
from ..protocols import build_model, model_inputs
from ..recipe.changes import section_changes
from ..run.checkpoints import MODEL, Checkpoints
from ..run.folder import RunFolder
from ..run.lock import locked
from ..run.log import NoLog, TrainingLog
from ..run.session import describe_session
from ..run.state import TrainingState
from .adversarial import DISCRIMINATOR, Adversarial
from .batches import BatchLoader
from .evaluations import Evaluations
from .loop import TrainingLoop
from .single import Alone
from .stopping import StopRequest

_logger = logging.getLogger(__name__)
_PACKAGES_LOGGER = logging.getLogger(__name__.partition(".")[0])

# mindone's optimizers that have no CPU kernels
_NOT_ON_CPU = ("adamw_bf16", "adamw_mint", "came")
# mindone's schedulers that go down over decay_steps; its default of 0 steps would drop them to end_lr right after the warm-up, or divide by 0
_DECAYING = ("cosine_decay", "polynomial_decay", "cosine_annealing_warm_restarts_lr")


class Trainer:
    """Trains what a recipe names.

    Args:
        recipe: a Recipe.
        output_path: the run's folder.
        resume: go on from what the folder holds; where it holds nothing, start.
        on_pictures: called with (step, [(name, x, recon), ...]) after an evaluation.

    Attributes:
        run_folder: RunFolder.
        checkpoints: Checkpoints; None before `run`.
        steps: of the whole run; None before `run`.
        ranks: Ranks, the processes that train together; None before `run`. The first one writes, draws and speaks.

    Raises:
        UserError: whatever the user can mend.
    """

    def __init__(self, recipe, output_path, resume=False, on_pictures=None):
        self.recipe = recipe
        self.run_folder = RunFolder(output_path)
        self.resume = resume
        self.on_pictures = on_pictures
        self.checkpoints = None
        self.steps = None
        self.ranks = None
        self._unreadable = []

    def run(self):
        """Trains to the recipe's last step.

        Returns:
            The path of the last checkpoint's weights, or None where the run was complete already.

        Raises:
            Stopped: by SIGTERM or Ctrl-C; the step it was in is saved.
        """
        self.ranks = environment.start(self.recipe.env, self.recipe.model, self.recipe.train.seed)
        if self.ranks.first:
            with locked(self.run_folder.path), self.run_folder.logged(_PACKAGES_LOGGER):
                return self._run()
        _PACKAGES_LOGGER.setLevel(logging.ERROR)  # the first says it for all
        return self._run()

    def _run(self):
        recipe, train, ranks = self.recipe, self.recipe.train, self.ranks
        self._check(recipe)
        self.checkpoints = Checkpoints(
            self.run_folder.checkpoints, train.keep_checkpoints, {"model": json.dumps(recipe.model)}, writes=ranks.first, needed=_needed(recipe)
        )
        found = self._find()
        first = found.step if found else 0

        dataset = registry.build("mindone.datasets", recipe.dataset)
        loader = BatchLoader(
            dataset,
            train.batch_size,
            train.seed,
            shuffle=recipe.loader.shuffle,
            num_workers=recipe.loader.num_workers,
            prefetch_steps=recipe.loader.prefetch_steps,
            rank=ranks.rank,
            ranks=ranks.count,
        )
        steps = self.steps = train.steps or -(-loader.steps_of(train.epochs) // train.gradient_accumulation_steps)
        evaluations = Evaluations(recipe, self.checkpoints, self.on_pictures, ranks) if train.eval_every else None
        if self._nothing_to_do(first):
            self._mend(first, evaluations)
            return None

        model = build_model(recipe.model)
        loss = registry.build("mindone.losses", recipe.require("loss"))
        for note in getattr(loss, "notes", []):
            _logger.warning("%s", note)
        # The first batch is tried before anything is compiled, so that a shape the model refuses is told at once.
        first_inputs = model_inputs(model, loader.batch(0), loader.model_rngs(0))
        learning_rates = _learning_rates(recipe.scheduler, steps)
        training = (Adversarial if recipe.discriminator else Alone)(recipe, model, loss, len(first_inputs), learning_rates, ranks)
        state = TrainingState(training.networks, frozen=[loss])

        # Restored before anything in the folder is changed: a recipe that does not fit must leave the run as it is.
        if found:
            self._restore(state, found)
        self._mend(first, evaluations)
        self.checkpoints.clean()  # before anything large is written: it may be what fills the disk
        if ranks.first:
            facts = describe_session(recipe.env, first, len(dataset), ranks.count)
            for change in self.run_folder.start_session(recipe, facts, goes_on=found is not None):
                _logger.warning("since the last session, %s", change)
        if not found:
            self.checkpoints.begin()
        self._report_unreadable(dataset)
        self._announce(model, dataset, first, steps)

        loop = TrainingLoop(
            settings=train,
            loader=loader,
            training=training,
            learning_rates=learning_rates,
            state=state,
            checkpoints=self.checkpoints,
            evaluations=evaluations,
            report_unreadable=lambda everywhere: self._report_unreadable(dataset, everywhere),
            ranks=ranks,
        )
        log = TrainingLog(self.run_folder, first, self.checkpoints.evaluated) if ranks.first else NoLog()
        bar = Progress("train", steps, done=first) if ranks.first else NoProgress()
        try:
            with log, bar as progress, StopRequest() as stop:
                loop.run(first, steps, log, progress, stop)
        except UserError as error:
            raise UserError(f"{error}; {self._last_checkpoint()}") from error
        return self.checkpoints.weights if first < steps else None

    def _nothing_to_do(self, first):
        """Whether all steps are made, and the last one's evaluation, where the recipe asks for it, is on record."""
        lacks_evaluation = first == self.steps and self.recipe.train.eval_every and self.checkpoints.evaluated != first
        return first >= self.steps and not lacks_evaluation

    def _mend(self, first, evaluations):
        """Where the run goes on from another set than latest.json names, has it name this one, and the best one up to it by metrics.jsonl."""
        if not self.checkpoints.mended:
            return
        holds, best = self.checkpoints.holds, self.checkpoints.best
        if best is None or best["step"] > first or not holds(best["step"]):
            past = [(step, values) for step, values in self.run_folder.evaluations(first) if holds(step)]
            best = evaluations.best_of(past) if evaluations else None
        self.checkpoints.mend(best)

    def _check(self, recipe):
        check_stage(recipe.train.zero_stage, recipe.env)
        for key, optimizer in (("optimizer", recipe.optimizer), ("adversarial.optimizer", recipe.adversarial.optimizer or {})):
            if recipe.env.device_target == "CPU" and optimizer.get("name") in _NOT_ON_CPU:
                raise UserError(f"{key}.name is {optimizer['name']}; it has no CPU kernels: add {key}.name=adamw_re to the command")
        if recipe.train.keep_best and not recipe.train.eval_every:
            raise UserError(f"train.keep_best is {recipe.train.keep_best}, and train.eval_every 0 evaluates nothing: set train.eval_every to a number of steps")

    def _find(self):
        if self.checkpoints.used and not self.resume:
            at = "" if self.checkpoints.step is None else f" at step {self.checkpoints.step}"
            raise UserError(
                f"{self.run_folder.path} holds a run{at}; a new run needs a folder of its own: add --resume to go on with it, or choose another --output_path"
            )
        found = self.checkpoints.latest()
        steps = self.ranks.gather(found.step if found else None)
        if len(set(steps)) > 1:
            raise UserError(f"the ranks find checkpoints of different steps ({steps}) in {self.run_folder.path}; all must see one folder: put it where every machine reaches it")
        if self.checkpoints.mended:
            past = self.run_folder.evaluations(found.step)
            self.checkpoints.evaluated = past[-1][0] if past else None
        return found

    def _restore(self, state, found):
        try:
            state.restore(found.networks, source=f"{self.run_folder.path} at step {found.step}")
        except UserError as error:
            made_with = json.loads(found.metadata.get("model", "{}"))
            # where the weights came from says nothing of their shapes
            changes = [change for change in section_changes(made_with, self.recipe.model, "model") if not change.startswith("model.pretrained:")]
            raise UserError(f"{error}; what differs is {', '.join(changes)}" if made_with and changes else str(error)) from error

    def _announce(self, model, dataset, first, steps):
        parameters = sum(parameter.size for parameter in model.get_parameters())
        mode = "graph mode, the first step of each shape compiles" if self.recipe.env.mode == 0 else "PyNative mode"
        text = "%s: %.2f million parameters, %d clips, step %d to %d, %s"
        _logger.info(text, self.recipe.model["name"], parameters / 1e6, len(dataset), first, steps, mode)

    def _report_unreadable(self, dataset, everywhere=True):
        """Writes down the files found unreadable, where there are more than before.

        Args:
            dataset: that may have come upon them.
            everywhere: on any rank, all of which call this together; otherwise on this one.
        """
        found = [[str(path), str(reason)] for path, reason in getattr(dataset, "unreadable", ())]
        parts = self.ranks.gather(found) if everywhere else [found]
        # by path: each rank may have come upon it
        known = {path: reason for part in (self._unreadable, *parts) for path, reason in part}
        if len(known) > len(self._unreadable) and self.ranks.first:
            self.run_folder.write_unreadable(known.items())
            _logger.warning("%d files cannot be used and are left out, listed in %s", len(known), self.run_folder.unreadable)
        self._unreadable = list(known.items())

    def _last_checkpoint(self):
        if self.checkpoints.weights is None:
            return "no checkpoint was saved yet"
        return f"the last checkpoint is {self.checkpoints.weights}, from which --resume goes on"


def _needed(recipe):
    """Network to the parts without which its training cannot go on."""
    averaged = {MODEL: recipe.train.ema_decay, **({DISCRIMINATOR: recipe.adversarial.ema_decay} if recipe.discriminator else {})}
    return {network: ("weights", "ema", "state") if decay else ("weights", "state") for network, decay in averaged.items()}


def _learning_rates(scheduler, steps):
    """The learning rate of each step; a decay without decay_steps takes all steps after the warm-up."""
    keywords = dict(scheduler)
    if keywords["name"] in _DECAYING and not keywords.get("decay_steps"):
        keywords["decay_steps"] = max(steps - keywords.get("warmup_steps", 0), 1)
    # Epochs of one step: the cosine with restarts counts in whole epochs, and makes as many rates as epochs have steps.
    return create_scheduler(1, num_epochs=steps, total_steps=steps, **keywords)
