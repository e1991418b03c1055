"""All state that changes in training, as arrays: the content of a checkpoint."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UserError
from .arrays import arrays_of, restore

if TYPE_CHECKING:
    from mindone.trainers import EMA
    from mindspore import nn

# Parameters that follow from the recipe, or are zero between steps.
_NOT_STATE = ("learning_rate",)
_NOT_STATE_PREFIXES = ("swap.", "grad_accumulated_", "ema.")


@dataclass(frozen=True)
class Trained:
    """One network that is trained.

    Attributes:
        network: the cell with its weights.
        update: the cell that updates them; holds optimizer, EMA and loss scale.
        ema: mindone's EMA or None.
    """

    network: "nn.Cell"
    update: "nn.Cell"
    ema: "EMA | None" = None


class TrainingState:
    """The parameters of one run, by the checkpoint file they belong to.

    Args:
        networks: name to Trained, "model" among them.
        frozen: cells whose parameters (LPIPS's network) are not saved.

    Raises:
        ValueError: two parameters of one update have the same name, so that a file could hold only one of them.
    """

    def __init__(self, networks: dict[str, Trained], frozen=()):
        self._weights = {name: trained.network.parameters_dict() for name, trained in networks.items()}
        self._emas = {name: _averages(trained.ema) for name, trained in networks.items()}
        known = {id(parameter) for cell in frozen for parameter in cell.get_parameters()}
        for parameters in (*self._weights.values(), *self._emas.values()):
            known.update(map(id, parameters.values()))
        self._rest = {name: _rest_of(name, trained.update, known) for name, trained in networks.items()}
        # Without a scaler the loss scale is the recipe's, which may have changed.
        self._given = {id(trained.update.scale_sense) for trained in networks.values() if trained.update.scaler is None}

    def arrays(self) -> dict:
        """Network to its weights, moving average (or None) and the rest as `state`, each name to array."""
        return {
            name: {"weights": arrays_of(self._weights[name]), "ema": self._averaged(name), "state": arrays_of(rest)}
            for name, rest in self._rest.items()
        }

    def restore(self, saved: dict, source: str) -> None:
        """Sets everything from arrays.

        Args:
            saved: as `arrays` gives it.
            source: what it came from, for the error.

        Raises:
            UserError: names or shapes do not match, or a network or moving average is missing.
        """
        for name in self._weights:
            parts = saved.get(name) or {}
            restore(self._weights[name], parts.get("weights") or {}, f"{source}, {name} weights,")
            if self._emas[name]:
                restore(self._emas[name], parts.get("ema") or {}, f"{source}, {name} moving average,")
            rest = {key: parameter for key, parameter in self._rest[name].items() if id(parameter) not in self._given}
            restore(rest, parts.get("state") or {}, f"{source}, {name} optimizer state,")

    def _averaged(self, name):
        if not self._emas[name]:
            return None
        # a frozen parameter has no moving average of its own; the file must hold every one the network has
        return {**arrays_of(self._weights[name]), **arrays_of(self._emas[name])}


def check_finite(networks: dict, step: int) -> None:
    """Refuses a state that a run could not resume from.

    Args:
        networks: as TrainingState.arrays gives them.
        step: steps made.

    Raises:
        UserError: a number is infinite or NaN.
    """
    for network, parts in networks.items():
        for part, arrays in parts.items():
            for name, array in (arrays or {}).items():
                if not np.isfinite(array).all():
                    raise UserError(
                        f"{name} of the {network}'s {part} is not finite after step {step}, which is not saved: "
                        "lower scheduler.lr, or compute in model.dtype=float32"
                    )


def _averages(ema):
    """A network's moving averages by the name of the parameter that they are of; empty without any."""
    return {average.name.removeprefix("ema."): average for average in ema.ema_weight} if ema else {}


def _rest_of(network, update, known):
    rest = [
        parameter
        for parameter in update.get_parameters()
        if id(parameter) not in known
        and parameter.name.removeprefix(f"{network}.") not in _NOT_STATE
        and not parameter.name.startswith(_NOT_STATE_PREFIXES)
    ]
    names = [parameter.name for parameter in rest]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"{', '.join(twice)}: more than one parameter of the update has this name; "
            "each must have its own: give one a prefix"
        )
    return dict(zip(names, rest))
