"""Everything that changes while training, as arrays: what a checkpoint holds."""

from .checkpoint import arrays_of, restore

# Follow from the recipe, or are zero between steps.
_NOT_STATE = ("learning_rate", "accum_step")
_NOT_STATE_PREFIXES = ("swap.", "grad_accumulated_", "ema.")


class TrainingState:
    """The parameters of one run, sorted by what becomes of them.

    Args:
        model: the trained model.
        loss: its own parameters (LPIPS's network) are not saved.
        step_cell: a TrainStep, which holds optimizer, EMA and loss scale.
        ema: mindone's EMA or None.
    """

    def __init__(self, model, loss, step_cell, ema):
        self.weights = list(model.get_parameters())
        self.ema = list(ema.ema_weight) if ema else None
        others = {id(parameter) for parameter in [*self.weights, *loss.get_parameters(), *(self.ema or [])]}
        self.rest = [
            parameter
            for parameter in step_cell.get_parameters()
            if id(parameter) not in others
            and parameter.name not in _NOT_STATE
            and not parameter.name.startswith(_NOT_STATE_PREFIXES)
        ]

    def arrays(self):
        """Weights, moving average or None, and the rest, each name to array."""
        ema = None
        if self.ema is not None:
            # a frozen parameter has no moving average of its own; the file must hold every one the model has
            ema = {**arrays_of(self.weights), **arrays_of(self.ema, _without_prefix)}
        return arrays_of(self.weights), ema, arrays_of(self.rest)

    def restore(self, weights, ema, state, source):
        """Sets everything from arrays.

        Raises:
            UserError: names or shapes do not match, or the moving average is missing.
        """
        restore(self.weights, weights, f"{source}, weights,")
        if self.ema is not None:
            restore(self.ema, ema or {}, f"{source}, moving average,", _without_prefix)
        restore(self.rest, state, f"{source}, optimizer state,")


def _without_prefix(name):
    return name.removeprefix("ema.")
