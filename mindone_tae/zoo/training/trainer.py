"""A training run in a folder, for any model, dataset and loss."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

from ..atomic_file import locked
from ..device import environment
from ..errors import UserError
from ..recipe.recipe import Recipe
from ..run.checkpoints import Checkpoints
from ..run.folder import RunFolder
from .loop import training_loop

_PACKAGES_LOGGER = logging.getLogger(__name__.partition(".")[0])

# mindone's optimizers that have no CPU kernels
_NOT_ON_CPU = ("adamw_bf16", "adamw_mint", "came")


class Trainer:
    """Trains the model of a recipe in a run's folder.

    Args:
        recipe: a Recipe.
        output_path: the run's folder.
        resume: resume from the folder's last checkpoint, or start where it is empty.
        on_pictures: called with (step, [(name, x, recon), ...]) after an evaluation.

    Attributes:
        run_folder: RunFolder.
        checkpoints: Checkpoints; None before `run`.
        steps: of the whole run; None before `run` has ended.
        best: the best evaluation, a dict with step, metric and value; None without one.
        ranks: Ranks, the processes that train together; None before `run`. Only rank 0 writes, draws and logs.

    Raises:
        UserError: a mistake the user can correct.
    """

    def __init__(
        self, recipe: Recipe, output_path: str | Path, resume: bool = False, on_pictures: Callable | None = None
    ):
        self.recipe = recipe
        self.run_folder = RunFolder(output_path)
        self.resume = resume
        self.on_pictures = on_pictures
        self.checkpoints = None
        self.steps = None
        self.best = None
        self.ranks = None

    def run(self) -> Path | None:
        """Trains to the recipe's last step.

        Returns:
            The path of the last checkpoint's weights, or None where the run was complete already.

        Raises:
            Stopped: by SIGTERM, SIGHUP or Ctrl-C; the current step is saved.
        """
        self.ranks = environment.start(self.recipe.env, self.recipe.model, self.recipe.train.seed)
        if self.ranks.first:
            with locked(self.run_folder.path), self.run_folder.logged(_PACKAGES_LOGGER):
                return self._run()
        _PACKAGES_LOGGER.setLevel(logging.ERROR)  # only rank 0 logs
        return self._run()

    def _run(self):
        _check(self.recipe)
        self.checkpoints = Checkpoints(
            self.run_folder.checkpoints,
            self.recipe.train.keep_checkpoints,
            {"model": json.dumps(self.recipe.model)},
            writes=self.ranks.first,
        )
        found = self._find()
        self.steps, trained, self.best = training_loop(
            self.recipe, self.run_folder, self.checkpoints, found, self.ranks, self.on_pictures
        )
        return self.checkpoints.weights(self.checkpoints.step) if trained else None

    def _find(self):
        """The checkpoint that the run resumes from, or None."""
        if self.checkpoints.used and not self.resume:
            at = "" if self.checkpoints.step is None else f" at step {self.checkpoints.step}"
            raise UserError(
                f"{self.run_folder.path} holds a run{at}; a new run needs a folder of its own: "
                "add --resume to go on with it, or choose another --output_path"
            )
        found = self.checkpoints.latest()
        steps = self.ranks.gather(found.step if found else None)
        if len(set(steps)) > 1:
            raise UserError(
                f"the ranks find checkpoints of different steps ({steps}) in {self.run_folder.path}; "
                "all must see one folder: put it where every machine reaches it"
            )
        return found


def _check(recipe):
    optimizers = {"optimizer": recipe.optimizer, "adversarial.optimizer": recipe.adversarial.optimizer or {}}
    for key, optimizer in optimizers.items():
        if recipe.env.device_target == "CPU" and optimizer.get("name") in _NOT_ON_CPU:
            name = optimizer["name"]
            raise UserError(f"{key}.name is {name}; it has no CPU kernels: add {key}.name=adamw_re to the command")
    if recipe.train.keep_best and not recipe.train.eval_every:
        raise UserError(
            f"train.keep_best is {recipe.train.keep_best}, and train.eval_every 0 evaluates nothing: "
            "set train.eval_every to a number of steps"
        )
