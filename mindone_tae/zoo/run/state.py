"""Everything that changes while training, as arrays: what a checkpoint holds."""

from dataclasses import dataclass
from typing import Any

from .arrays import arrays_of, restore

# Follow from the recipe, or are zero between steps.
_NOT_STATE = ("learning_rate", "accum_step")
_NOT_STATE_PREFIXES = ("swap.", "grad_accumulated_", "ema.", "wrapper.")  # the last: ZeRO's copies of the weights


@dataclass(frozen=True)
class Trained:
    """One network that is trained.

    Attributes:
        network: the cell with its weights.
        step_cell: the cell that updates them; holds optimizer, EMA and loss scale.
        ema: mindone's EMA or None.
        shards: Shards where ranks share the optimizer's state, or None. Saved and restored is the whole of it, whatever their number.
    """

    network: Any
    step_cell: Any
    ema: Any = None
    shards: Any = None


class TrainingState:
    """The parameters of one run, sorted by what becomes of them.

    Args:
        networks: name to Trained, "model" among them.
        frozen: cells whose parameters (LPIPS's network) are not saved.

    Raises:
        ValueError: two parameters of one step cell bear one name, so that a file could hold only one of them.
    """

    def __init__(self, networks, frozen=()):
        self._weights = {name: list(trained.network.get_parameters()) for name, trained in networks.items()}
        self._emas = {name: list(trained.ema.ema_weight) if trained.ema else None for name, trained in networks.items()}
        kept_elsewhere = [list(cell.get_parameters()) for cell in frozen] + list(self._weights.values())
        kept_elsewhere += [ema for ema in self._emas.values() if ema is not None]
        known = {id(parameter) for parameters in kept_elsewhere for parameter in parameters}
        self._rest = {name: _rest_of(name, trained.step_cell, known) for name, trained in networks.items()}
        self._shards = {name: trained.shards for name, trained in networks.items()}

    def arrays(self):
        """Network to its weights, moving average (or None) and the rest as `state`, each name to array."""
        return {
            name: {"weights": arrays_of(self._weights[name]), "ema": self._averaged(name), "state": self._whole_rest(name)} for name in self._weights
        }

    def restore(self, saved, source):
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
            if self._emas[name] is not None:
                restore(self._emas[name], parts.get("ema") or {}, f"{source}, {name} moving average,", _without_prefix)
            restore(self._rest[name], self._own_rest(name, parts.get("state") or {}), f"{source}, {name} optimizer state,")
            if self._shards[name]:
                self._shards[name].copy_weights()

    def _whole_rest(self, name):
        arrays, shards = arrays_of(self._rest[name]), self._shards[name]
        return {parameter.name: shards.whole(parameter, arrays[parameter.name]) for parameter in self._rest[name]} if shards else arrays

    def _own_rest(self, name, arrays):
        if not self._shards[name]:
            return arrays
        return {parameter.name: self._shards[name].own(parameter, arrays[parameter.name]) for parameter in self._rest[name] if parameter.name in arrays}

    def _averaged(self, name):
        if self._emas[name] is None:
            return None
        # a frozen parameter has no moving average of its own; the file must hold every one the network has
        return {**arrays_of(self._weights[name]), **arrays_of(self._emas[name], _without_prefix)}


def _rest_of(network, step_cell, known):
    rest = [
        parameter
        for parameter in step_cell.get_parameters()
        if id(parameter) not in known and parameter.name.removeprefix(f"{network}.") not in _NOT_STATE and not parameter.name.startswith(_NOT_STATE_PREFIXES)
    ]
    names = [parameter.name for parameter in rest]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)}: more than one parameter of the training step has this name; each must have its own: give one a prefix")
    return rest


def _without_prefix(name):
    return name.removeprefix("ema.")
