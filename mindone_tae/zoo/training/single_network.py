"""One network trained on its loss, built from a recipe."""

import inspect
import traceback
from contextlib import contextmanager

import mindspore as ms
from mindone.trainers import EMA, create_optimizer
from mindspore import nn

from ..errors import UserError
from ..recipe.recipe import Recipe
from ..recipe.schema import Train
from ..run.checkpoints import MODEL
from ..run.state import Trained
from .update import ForwardWithLoss, NetworkUpdate, StepResult, TrainStep


class SingleNetwork:
    """A model trained on its loss, and no other network.

    Args:
        recipe: a Recipe.
        model, loss: built.
        model_inputs: how many tensors the model takes.
        learning_rates: of each step of the run.

    Attributes:
        networks: name to Trained, of all that are trained.
        term_names: of the terms that `step` gives, in its order.
    """

    def __init__(self, recipe: Recipe, model: nn.Cell, loss: nn.Cell, model_inputs: int, learning_rates: list[float]):
        trained = trained_network(model, learning_rates, recipe.optimizer, recipe.train.ema_decay, recipe.train)
        self.networks = {MODEL: trained}
        self.term_names = loss_terms(loss)
        self._step = TrainStep(ForwardWithLoss(model, loss, model_inputs), trained.update)

    def step(self, number: int, last_micro_step: bool, *tensors) -> StepResult:
        """One micro-step.

        Args:
            number: optimizer steps made before.
            last_micro_step: whether this one ends the accumulation.
            *tensors: the model's inputs, then the dataset's columns.

        Returns:
            StepResult.
        """
        return self._step(last_micro_step, *tensors)


def loss_terms(loss: nn.Cell) -> tuple[str, ...]:
    """Names of a loss's outputs, the total first."""
    return ("loss", *getattr(loss, "term_names", ()))


@contextmanager
def naming_the_loss(name, loss, columns):
    """Says of another package's loss that it cannot be called with a batch, or that a TypeError came from it.

    Args:
        name: the loss's, in the recipe.
        loss: built.
        columns: of the dataset, names or numbers.

    Raises:
        UserError: the loss does not take so many columns; or in place of a TypeError that came from it.
    """
    takes = inspect.signature(loss.construct)
    called = f"its construct takes {takes} and gets the model's output and the dataset's columns, {', '.join(columns)}"
    try:
        takes.bind(None, *columns)
    except TypeError as error:
        raise UserError(f"loss '{name}' cannot be called: {error}; {called}: change one to fit the other") from error
    try:
        yield
    except TypeError as error:
        ours = type(loss).__module__.partition(".")[0] == __name__.partition(".")[0]
        file = inspect.getsourcefile(type(loss))
        in_python = any(frame.filename == file for frame in traceback.extract_tb(error.__traceback__))
        if ours or not (in_python or file in str(error)):  # a graph's error names the file in its text
            raise
        first = str(error).strip().split("\n")[0]
        raise UserError(f"loss '{name}' raised TypeError: {first}; {called}: mend that package's loss") from error


def trained_network(
    network: nn.Cell, learning_rates: list[float], optimizer: dict, ema_decay: float | None, train: Train
) -> Trained:
    """A network with its optimizer, loss scale and moving average.

    Args:
        network: the cell whose weights are trained.
        learning_rates: of each of its steps.
        optimizer: keywords of mindone's create_optimizer.
        ema_decay: of the moving average; None for none.
        train: the recipe's train section.

    Returns:
        Trained.
    """
    network.set_train(True)
    built = create_optimizer(network.trainable_params(), lr=learning_rates, **optimizer)
    # not offloading: its set_data fails for parameters that a PyNative gradient of recomputed blocks has read
    ema = EMA(network, ema_decay, offloading=False) if ema_decay else None
    scale = ms.Tensor(train.loss_scale, ms.float32)
    if train.dynamic_loss_scale:
        scale = nn.DynamicLossScaleUpdateCell(train.loss_scale, scale_factor=2, scale_window=1000)
    return Trained(network, NetworkUpdate(built, scale, ema, train.gradient_accumulation_steps, train.clip_norm), ema)
