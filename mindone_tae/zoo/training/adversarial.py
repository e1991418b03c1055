"""Training against a discriminator, built from the recipe's sections `discriminator` and `adversarial`."""

from mindspore import nn

from .. import registry
from ..errors import UserError, did_you_mean
from ..recipe.recipe import Recipe
from ..run.checkpoints import MODEL
from .adversarial_update import AdaptiveWeight, JudgedGradients
from .single_network import loss_terms, trained_network
from .update import ForwardWithLoss, Gradients, StepResult, TrainStep

# The second network in checkpoints, and the prefix of its parameters.
DISCRIMINATOR = "discriminator"
# JudgedGradients' terms after those of the loss.
_TERM_NAMES = ("gan_g", "gan_weight", "gan_d", "logits_real", "logits_fake")
_ASKED = ("generator_loss", "discriminator_loss")


class AdversarialPair:
    """Two networks and the step that trains them.

    Args:
        recipe: with a discriminator.
        model, loss: built.
        model_inputs: how many tensors the model takes.
        learning_rates: of each step of the run.

    Attributes:
        networks: name to Trained, the model's and the discriminator's.
        term_names: of the terms that `step` gives, in order; the discriminator's are missing before its start.

    Raises:
        UserError: the component is not a discriminator, adversarial.last_layer is not a parameter of the model, or the
            run ends before adversarial.start_step.
    """

    def __init__(self, recipe: Recipe, model: nn.Cell, loss: nn.Cell, model_inputs: int, learning_rates: list[float]):
        section, train = recipe.adversarial, recipe.train
        self.start_step = section.start_step
        if section.start_step >= len(learning_rates):
            raise UserError(
                f"adversarial.start_step is {section.start_step} and the run has {len(learning_rates)} steps; the "
                "discriminator must start before the end: "
                "lower adversarial.start_step, or remove the discriminator section"
            )
        judge = _build(recipe.discriminator)
        own = learning_rates[section.start_step :]
        trained = trained_network(model, learning_rates, recipe.optimizer, train.ema_decay, train)
        opponent = trained_network(
            judge,
            # the last once more for each step that a resumed run, made with an earlier start_step, is ahead
            [rate * section.learning_rate_ratio for rate in own + own[-1:] * section.start_step],
            section.optimizer or recipe.optimizer,
            section.ema_decay,
            train,
        )
        _prefix(opponent.update)
        self.networks = {MODEL: trained, DISCRIMINATOR: opponent}
        self.term_names = (*loss_terms(loss), *_TERM_NAMES)
        adaptive = None
        if section.adaptive:
            last_layer = _last_layer(model, section.last_layer)
            adaptive = AdaptiveWeight(model, loss, model_inputs, judge, last_layer, trained.update)
        alone = Gradients(ForwardWithLoss(model, loss, model_inputs), trained.update)
        judged = JudgedGradients(
            model, loss, model_inputs, judge, trained.update, opponent.update, section.weight, adaptive
        )
        self._alone = TrainStep(alone, trained.update)
        self._judged = TrainStep(judged, trained.update, opponent.update)

    def step(self, number: int, last_micro_step: bool, *tensors) -> StepResult:
        """One micro-step.

        Args:
            number: optimizer steps made before.
            last_micro_step: whether this one ends the accumulation.
            *tensors: the model's inputs, then the dataset's columns.

        Returns:
            StepResult.
        """
        step = self._judged if number >= self.start_step else self._alone
        return step(last_micro_step, *tensors)


def _build(spec):
    judge = registry.build("mindone.blocks", spec)
    lacking = [name for name in _ASKED if not hasattr(judge, name)]
    if lacking:
        raise UserError(
            f"discriminator.name is {spec['name']}; a discriminator has {' and '.join(lacking)}: "
            "use patchgan_2d or patchgan_3d"
        )
    _prefix(judge)
    return judge


def _prefix(cell):
    """Prefixes the discriminator's parameters: within one graph names must be unique."""
    for parameter in cell.get_parameters():
        if f"{DISCRIMINATOR}." not in parameter.name:
            parameter.name = f"{DISCRIMINATOR}.{parameter.name}"


def _last_layer(model, name):
    """The parameter of that name; without one, the last kernel or matrix in the model's own order."""
    by_name = {parameter.name: parameter for parameter in model.trainable_params()}
    if name is None:
        return [parameter for parameter in by_name.values() if parameter.ndim > 1][-1]
    if name not in by_name:
        raise UserError(
            f"adversarial.last_layer is {name}; it must be a trained parameter of the model"
            f"{did_you_mean(name, by_name)}"
        )
    return by_name[name]
