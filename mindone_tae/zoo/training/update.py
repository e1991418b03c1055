"""One training step as graphs: the gradients of a micro-batch and the update of the weights; then the moving average.

Without accumulation, gradients and update are one graph: MindSpore keeps what a graph was given until its next call, so
that an update of its own would keep all gradients through the next backward pass.
"""

from typing import NamedTuple

import mindspore as ms
from mindspore import nn, ops
from mindspore.communication import get_group_size

_REDUCING_MODES = ("data_parallel", "hybrid_parallel")
# Most numbers whose squares one operator sums, one after another; it loses precision as the sum grows.
_SUMMED_AT_ONCE = 4096
_AVERAGING_WARMUP = 2000  # updates; mindone's


class StepResult(NamedTuple):
    """The result of one micro-step.

    Attributes:
        terms: the loss and its terms, scalars.
        norm: of the gradient before clipping; None before the last micro-step.
        refused: whether nothing was updated, because the loss or the gradient is not finite; None before the last
            micro-step.
    """

    terms: tuple
    norm: "ms.Tensor | None" = None
    refused: "ms.Tensor | None" = None


class ForwardWithLoss(nn.Cell):
    """Model and loss as one cell, the loss scaled for the backward pass.

    Args:
        model: called with the first `model_inputs` tensors.
        loss: called with the model's output and the remaining tensors, the dataset's columns.
        model_inputs: how many tensors the model takes.
    """

    def __init__(self, model, loss, model_inputs):
        super().__init__(auto_prefix=False)  # parameters keep the model's own names
        self.model = model
        self.loss = loss
        self.model_inputs = model_inputs

    def construct(self, scale, *tensors):
        """The scaled loss, and the tuple of the unscaled loss and its terms."""
        _, terms = self.outputs_and_terms(*tensors)
        return ops.cast(terms[0], ms.float32) * scale, terms

    def outputs_and_terms(self, *tensors):
        """The model's outputs, and the tuple of the loss and its terms."""
        outputs = self.model(*tensors[: self.model_inputs])
        result = self.loss(outputs, *tensors[self.model_inputs :])
        return outputs, result if isinstance(result, tuple) else (result,)


class NetworkUpdate(nn.Cell):
    """The update of one network's weights: optimizer, loss scale, clipping; and that of their moving average.

    Args:
        optimizer: a MindSpore optimizer.
        scale: loss scale, a Tensor or a loss-scale manager cell.
        ema: mindone's EMA or None.
        accumulation_steps: micro-batches a step.
        clip_norm: largest norm of the gradient, which is scaled down to it; None for no clipping.

    Attributes:
        weights: the optimizer's parameters.
        average: the MovingAverage, which `TrainStep` calls after the weights' update; or None.
        scale_sense: loss scale, a parameter.
        sums: sums of the micro-batches' gradients, parameters; None where a step has one micro-batch.
        reducer: averages gradients over the devices.
    """

    def __init__(self, optimizer, scale, ema=None, accumulation_steps=1, clip_norm=None):
        super().__init__(auto_prefix=False)
        self.optimizer = optimizer
        self.weights = optimizer.parameters
        self.average = None if ema is None else MovingAverage(ema)
        self.accumulation_steps = accumulation_steps
        self.clip_norm = clip_norm
        self.scaler = scale if isinstance(scale, nn.Cell) else None
        start = scale.get_loss_scale() if self.scaler is not None else scale
        self.scale_sense = ms.Parameter(ms.Tensor(float(start), ms.float32), name="scale_sense", requires_grad=False)
        several = accumulation_steps > 1
        self.sums = self.weights.clone(prefix="grad_accumulated_", init="zeros") if several else None
        self.reducer = reducer(self.weights)
        # Over all devices: one whose loss alone is not finite must not refuse the step alone.
        self.over_devices = ops.AllReduce() if _several_devices() else nn.Identity()
        self.hyper_map = ops.HyperMap()

    def reduce(self, gradients):
        """A step's summed gradients over all devices, and the norm of the gradient of the loss."""
        gradients = self.reducer(gradients)
        return gradients, ops.sqrt(ops.addn(self.hyper_map(square_sum, gradients))) * self._share()

    def not_finite(self, figure):
        """Whether a figure is not finite, on this device or any other."""
        return ops.logical_not(ops.isfinite(self.over_devices(ops.cast(figure, ms.float32))))

    def apply(self, gradients, norm, refused):
        """Changes the weights, unless refused, and the loss scale; `gradients` and `norm` are what `reduce` gives."""
        factor = self._share()
        if self.clip_norm is not None:
            factor = factor * (self.clip_norm / ops.maximum(norm, self.clip_norm))
        if self.scaler is not None:
            self.scaler(self.scale_sense, refused)
        if not refused:
            # one pass over the gradients for everything they are multiplied by
            self.optimizer(self.hyper_map(ops.partial(_multiply, factor), gradients))
        if self.sums is not None:
            self.hyper_map(_clear, self.sums)

    def _share(self):
        """Factor from a step's summed, scaled gradients to those of the loss's mean over the micro-batches."""
        return 1.0 / (self.scale_sense * self.accumulation_steps)


class Gradients(nn.Cell):
    """The gradients of one micro-batch.

    Args:
        forward: a ForwardWithLoss, or another cell that gives the scaled loss and a tuple to read.
        update: the NetworkUpdate that they are for.
    """

    def __init__(self, forward, update):
        super().__init__(auto_prefix=False)
        self.scale_sense = update.scale_sense
        self.sums = update.sums
        self.loss_and_gradients = ops.value_and_grad(forward, None, update.weights, has_aux=True)
        self.hyper_map = ops.HyperMap()

    def construct(self, *tensors):
        """The terms, the loss, and the gradients of the scaled loss; () where these were added to the update's sums."""
        (_, terms), gradients = self.loss_and_gradients(self.scale_sense * 1.0, *tensors)
        if self.sums is None:
            return terms, terms[0], gradients
        self.hyper_map(ops.assign_add, self.sums, gradients)
        return terms, terms[0], ()


class MovingAverage(nn.Cell):
    """The update of mindone's moving average: its formula, in half the operators.

    A graph of its own: behind the optimizer in one graph, the same operators take four times as long on a CPU.

    Args:
        ema: mindone's EMA.
    """

    def __init__(self, ema):
        super().__init__(auto_prefix=False)
        self.ema = ema
        self.hyper_map = ops.HyperMap()

    def construct(self):
        updates = ops.assign_add(self.ema.updates, ops.ones_like(self.ema.updates))
        share = 1 - self.ema.ema_decay * (1 - ops.exp(-updates / _AVERAGING_WARMUP))
        self.hyper_map(ops.partial(_move_towards, share), self.ema.ema_weight, self.ema.net_weight)
        return share


class WeightsUpdate(nn.Cell):
    """The graph that updates the weights of all networks that train together, or of none.

    On a CPU mindone's own step takes every gradient for finite, so that one NaN ruins the weights; it updates EMA on
    micro-steps that update nothing else; and it drops a non-finite micro-batch from the sum but not from the count.
    Here the norm of the whole accumulated gradient decides: where it is not finite, nothing changes.

    Args:
        updates: a NetworkUpdate for each network.
    """

    def __init__(self, *updates):
        super().__init__(auto_prefix=False)
        self.updates = nn.CellList(list(updates), auto_prefix=False)
        self.ends = [0]
        for update in updates:
            self.ends.append(self.ends[-1] + len(update.weights))

    def construct(self, losses, *gradients):
        """Updates.

        Args:
            losses: the sum of the networks' losses, which must be finite.
            *gradients: as Gradients gives them, one network's after another's; none where they were added to sums.

        Returns:
            The norm of the first network's gradient before clipping, and whether the update was refused.
        """
        reduced, norms, figure = [], [], losses
        for i, update in enumerate(self.updates):
            own = gradients[self.ends[i] : self.ends[i + 1]] if update.sums is None else update.sums
            own, norm = update.reduce(own)
            reduced.append(own)
            norms.append(norm)
            figure = figure + norm
        refused = self.updates[0].not_finite(figure)
        for i, update in enumerate(self.updates):
            update.apply(reduced[i], norms[i], refused)
        return norms[0], refused


class WholeStep(nn.Cell):
    """Gradients and the update of the weights as one graph, compiled for each shape of the clips.

    Args:
        gradients, update: as TrainStep has them.
    """

    def __init__(self, gradients, update):
        super().__init__(auto_prefix=False)
        self.gradients = gradients
        self.update = update

    def construct(self, *tensors):
        """The terms, the norm of the first network's gradient, and whether the update was refused."""
        terms, losses, gradients = self.gradients(*tensors)
        norm, refused = self.update(losses, *gradients)
        return terms, norm, refused


class TrainStep:
    """The step of all networks that train together: all are updated, or none, and then their moving averages.

    Args:
        gradients: cell that maps tensors to the terms, the sum of the networks' losses, and their gradients, one
            network's after another's; `Gradients` for one network.
        *updates: the NetworkUpdate of each network.
    """

    def __init__(self, gradients, *updates):
        self._gradients = gradients
        self._weights_update = WeightsUpdate(*updates)
        self._whole = WholeStep(gradients, self._weights_update) if updates[0].sums is None else None
        self._averages = [update.average for update in updates if update.average is not None]

    def __call__(self, last_micro_step, *tensors):
        """Runs one micro-step, and with the last of them the update.

        Args:
            last_micro_step: whether this one ends the accumulation.
            *tensors: what `gradients` takes.

        Returns:
            StepResult; the norm is that of the first network's gradient.
        """
        if self._whole is not None:
            terms, norm, refused = self._whole(*tensors)
        else:
            terms, losses, _ = self._gradients(*tensors)
            if not last_micro_step:
                return StepResult(terms)
            norm, refused = self._weights_update(losses)
        if self._averages and not bool(refused):
            for average in self._averages:
                average()
        return StepResult(terms, norm, refused)


def reducer(weights):
    """A cell that averages gradients of these weights over the devices; with one device, as it is."""
    return nn.DistributedGradReducer(weights, True, get_group_size()) if _several_devices() else nn.Identity()


def _several_devices():
    return ms.get_auto_parallel_context("parallel_mode") in _REDUCING_MODES


def square_sum(gradient):
    """The sum of a gradient's squares, a scalar, float32."""
    gradient = ops.cast(gradient, ms.float32)
    if gradient.size <= _SUMMED_AT_ONCE:
        return 2.0 * ops.L2Loss()(gradient)
    rows = ops.reshape(gradient, (gradient.shape[0] if gradient.ndim else 1, 1, -1))
    # as products of rows: a tensor of squares would be written and read again
    return ops.BatchMatMul(transpose_b=True)(rows, rows).sum()


def _multiply(factor, gradient):
    return gradient * ops.cast(factor, gradient.dtype)


def _clear(total):
    return ops.assign(total, ops.zeros_like(total))


def _move_towards(share, average, weight):
    return ops.assign_add(average, (weight - average) * share)
