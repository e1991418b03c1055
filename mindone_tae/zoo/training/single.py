"""What changes a network's weights, built from a recipe."""

import mindspore as ms
from mindone.trainers import EMA, create_optimizer
from mindspore import nn

from ..device.ranks import Ranks
from ..device.sharding import Shards, zero_helper
from ..run.checkpoints import MODEL
from ..run.state import Trained
from .update import ForwardWithLoss, TrainStep


class Alone:
    """A model trained on its loss, and no other network.

    Args:
        recipe: a Recipe.
        model, loss: built.
        model_inputs: how many tensors the model takes.
        learning_rates: of each step of the run.
        ranks: that share the optimizer's state where train.zero_stage asks for it; None: there is only this process.

    Attributes:
        networks: name to Trained, of all that are trained.
        term_names: of what `update` gives first, in its order.
    """

    def __init__(self, recipe, model, loss, model_inputs, learning_rates, ranks=None):
        forward = ForwardWithLoss(model, loss, model_inputs)
        trained = build_train_step(model, forward, learning_rates, recipe.optimizer, recipe.train.ema_decay, recipe.train, ranks)
        self.networks = {MODEL: trained}
        self.term_names = loss_terms(loss)

    def update(self, step, last_micro_step, *tensors):
        """One micro-step, as TrainStep makes it.

        Args:
            step: optimizer steps made before.
            last_micro_step: whether this one ends the accumulation.
            *tensors: the model's inputs, then the dataset's columns.
        """
        return self.networks[MODEL].step_cell(last_micro_step, *tensors)


def loss_terms(loss):
    """Names of what a loss gives, the total first."""
    return ("loss", *getattr(loss, "term_names", ()))


def build_train_step(network, forward, learning_rates, optimizer, ema_decay, train, ranks=None):
    """A network's optimizer, moving average and TrainStep.

    Args:
        network: the cell whose weights are trained.
        forward: the cell that gives the scaled loss, as TrainStep takes it.
        learning_rates: of each of its steps.
        optimizer: keywords of mindone's create_optimizer.
        ema_decay: of the moving average; None for none.
        train: the recipe's train section.
        ranks: as Alone takes them.

    Returns:
        Trained.
    """
    network.set_train(True)
    built = create_optimizer(network.trainable_params(), lr=learning_rates, **optimizer)
    ema = EMA(network, ema_decay) if ema_decay else None
    scale = ms.Tensor(train.loss_scale, ms.float32)
    if train.dynamic_loss_scale:
        scale = nn.DynamicLossScaleUpdateCell(train.loss_scale, scale_factor=2, scale_window=1000)
    ranks = ranks or Ranks()
    zero = zero_helper(built, train.zero_stage, ranks)
    step = TrainStep(forward, built, scale, ema, train.gradient_accumulation_steps, train.clip_norm, zero)
    return Trained(network, step, ema, Shards(zero, ranks) if zero else None)
