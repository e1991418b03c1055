"""One network trained on its loss, built from a recipe."""

import inspect
import re
import traceback
from contextlib import contextmanager
from pathlib import Path

import mindspore as ms
from mindone.trainers import EMA, create_optimizer
from mindspore import nn

from ..errors import UserError
from ..recipe.recipe import Recipe
from ..recipe.schema import Train
from ..run.checkpoints import MODEL
from ..run.state import Trained
from .update import ForwardWithLoss, Gradients, NetworkUpdate, StepResult, TrainStep

# How a step calls its loss, in the lines that a traceback quotes.
_CALL = "self.loss(outputs, "
# A line of the traceback in a graph's error: file, line, source.
_GRAPH_FRAME = re.compile(r"^# \d+ In file (.+?):(\d+)[^\n]*\n([^\n]*)", re.MULTILINE)
# A compiler's RuntimeError for what Python calls a TypeError.
_WRONG_ARGUMENTS = re.compile(r"positional argument|keyword argument")
_MINDSPORE = Path(ms.__file__).parent


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
        gradients = Gradients(ForwardWithLoss(model, loss, model_inputs), trained.update)
        self._step = TrainStep(gradients, trained.update)

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
        UserError: the loss does not take so many columns; or in place of a TypeError that came from it, or from a graph
            in which MindSpore names no line.
    """
    takes = inspect.signature(loss.construct)
    called = f"its construct takes {takes} and gets the model's output and the dataset's columns, {', '.join(columns)}"
    try:
        takes.bind(None, *columns)
    except TypeError as error:
        raise UserError(f"loss '{name}' cannot be called: {error}; {called}: change one to fit the other") from error
    try:
        yield
    except (TypeError, RuntimeError) as error:
        ours = type(loss).__module__.partition(".")[0] == __name__.partition(".")[0]
        first = str(error).strip().split("\n")[0].strip("'")
        if ours or (isinstance(error, RuntimeError) and not _WRONG_ARGUMENTS.search(first)):
            raise
        raised, frames = f"raised {type(error).__name__}", _frames(error)
        calls = [place for place, (_, _, source) in enumerate(frames) if _CALL in source]
        if calls:
            own = [frame for frame in frames[calls[-1] + 1 :] if _MINDSPORE not in Path(frame[0]).parents]
            at = f" at {own[-1][0]}:{own[-1][1]}" if own else ""
            raise UserError(f"loss '{name}' {raised}{at}: {first}; {called}: mend that package's loss") from error
        if ms.get_context("mode") == ms.GRAPH_MODE and not _GRAPH_FRAME.search(str(error)):
            raise UserError(
                f"the graph of the model and loss '{name}' {raised}: {first}; MindSpore names no line of it; {called}: "
                "set env.mode=1, which names the line"
            ) from error
        raise


def _frames(error):
    """An error's frames, outermost first, each (file, line, source); those of a graph are in its text."""
    frames = [(frame.filename, frame.lineno, frame.line or "") for frame in traceback.extract_tb(error.__traceback__)]
    return frames + _GRAPH_FRAME.findall(str(error))


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
    if ema:
        # MindSpore's `clone` counts references to decide whether to copy, and under a tracer (a debugger, coverage)
        # Python 3.10 has fewer of them: the average would be the weights themselves.
        for average, weight in zip(ema.ema_weight, ema.net_weight):
            average.set_data(ms.Tensor(weight.asnumpy()))
    scale = ms.Tensor(train.loss_scale, ms.float32)
    if train.dynamic_loss_scale:
        scale = nn.DynamicLossScaleUpdateCell(train.loss_scale, scale_factor=2, scale_window=1000)
    return Trained(network, NetworkUpdate(built, scale, ema, train.gradient_accumulation_steps, train.clip_norm), ema)
