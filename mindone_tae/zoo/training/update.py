"""One training step: gradients, the check that they are finite, accumulation, clipping, update, EMA."""

import mindspore as ms
from mindone.trainers import TrainOneStepWrapper
from mindspore import nn, ops


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
        """The scaled loss, and the tuple of the loss and its terms as they are to be read."""
        outputs = self.model(*tensors[: self.model_inputs])
        result = self.loss(outputs, *tensors[self.model_inputs :])
        terms = result if isinstance(result, tuple) else (result,)
        return ops.cast(terms[0], ms.float32) * scale, terms


class TrainStep(TrainOneStepWrapper):
    """mindone's step, with its three gaps closed.

    On a CPU the stock step takes every gradient for finite, so that one NaN spoils the weights for good; it runs EMA on
    micro-steps that update nothing; and it drops a non-finite micro-batch from the sum but not from the count. Here the
    whole accumulated gradient is judged by its norm: not finite, and nothing at all changes.

    Args:
        network: a ForwardWithLoss.
        optimizer: a MindSpore optimizer.
        scale_sense: loss scale, a Tensor or a loss-scale manager cell.
        ema: mindone's EMA or None.
        accumulation_steps: micro-batches a step.
        clip_norm: the gradient's norm is brought down to this; None leaves it.
        zero: mindone's ZeroHelper of stage 1 or 2, or None.
    """

    def __init__(self, network, optimizer, scale_sense, ema=None, accumulation_steps=1, clip_norm=None, zero=None):
        super().__init__(
            network,
            optimizer,
            scale_sense=scale_sense,
            ema=ema,
            gradient_accumulation_steps=accumulation_steps,
            clip_grad=clip_norm is not None,
            clip_norm=float(clip_norm or 1.0),
            zero_helper=zero,
        )
        self.is_split = zero.need_parameter_split if zero else None
        if zero and accumulation_steps > 1:
            # micro-steps add up whole gradients, which are dealt out with the last of them
            self.accumulated_grads = self.weights.clone(prefix="grad_accumulated_", init="zeros")
        self.loss_and_gradients = ops.value_and_grad(network, None, self.weights, has_aux=True)
        self.hyper_map = ops.HyperMap()
        # A device whose loss is not finite while its gradient is must not be the only one that refuses the step.
        self.over_devices = ops.AllReduce() if self.reducer_flag else nn.Identity()

    def construct(self, last_micro_step, *tensors):
        """Runs one micro-step, and with the last of them the update.

        Args:
            last_micro_step: whether this one ends the accumulation; a Python bool.
            *tensors: what the network takes after the scale.

        Returns:
            The loss and its terms, the norm of the gradient before clipping, whether an update was refused because the loss
            or the gradient is not finite, and the loss scale used. Before the last micro-step the norm is 0.
        """
        scale = self.scale_sense
        terms, gradients = self.measure(*tensors)
        if not last_micro_step:
            return terms, ops.zeros((), ms.float32), ops.zeros((), ms.bool_), scale
        gradients, norm = self.gather(gradients)
        refused = self.not_finite(norm + terms[0])
        self.update(gradients, norm, refused)
        return terms, norm, refused, scale

    def measure(self, *tensors):
        """One micro-step: the loss and its terms, and the sum of the step's gradients so far, loss scale and all."""
        (_, terms), gradients = self.loss_and_gradients(self.current_scale(), *tensors)
        if self.accum_steps > 1:
            self.hyper_map(ops.partial(_add_to), self.accumulated_grads, gradients)
            gradients = self.accumulated_grads
        return terms, gradients

    def current_scale(self):
        """The loss scale, a scalar, float32."""
        return ops.reshape(ops.cast(self.scale_sense, ms.float32), ())

    def share(self):
        """What a step's summed gradients are multiplied by to be those of the loss, its mean over the micro-batches."""
        return 1.0 / (self.current_scale() * self.accum_steps)

    def gather(self, gradients):
        """The step's summed gradients over all devices, with ZeRO this device's parts, and the norm of the whole gradient of the loss."""
        if self.is_split is None:
            gradients = self.grad_reducer(gradients)
            return gradients, ops.sqrt(ops.addn(self.hyper_map(_square_sum, gradients))) * self.share()
        gradients = self.zero_helper.cal_gradients(gradients)
        squares = self.hyper_map(_square_sum, gradients)
        whole, parts = ops.zeros((), ms.float32), ops.zeros((), ms.float32)
        for i in range(len(squares)):
            if self.is_split[i]:
                parts = parts + squares[i]
            else:
                whole = whole + squares[i]
        return gradients, ops.sqrt(whole + self.over_devices(parts)) * self.share()

    def not_finite(self, figure):
        """Whether a figure is not finite, on this device or any other."""
        return ops.logical_not(ops.isfinite(self.over_devices(ops.cast(figure, ms.float32))))

    def update(self, gradients, norm, refused):
        """Ends a step: changes the weights, unless refused, and the loss scale; `gradients` and `norm` are what `gather` gives."""
        factor = self.share()
        if self.clip_grad:
            factor = factor * (self.clip_norm / ops.maximum(norm, self.clip_norm))
        self.process_loss_scale(refused)
        if not refused:
            # one pass over the gradients for everything they are multiplied by
            self.run_optimizer(self.hyper_map(ops.partial(_multiply, factor), gradients))
            if self.ema is not None:
                self.ema.ema_update()
        if self.accum_steps > 1:
            self.hyper_map(_clear, self.accumulated_grads)


def square_sum(gradient):
    """The sum of a gradient's squares, a scalar, float32."""
    gradient = ops.cast(gradient, ms.float32)
    rows = ops.reshape(gradient, (gradient.shape[0] if gradient.ndim else 1, 1, -1))
    # each row by itself times itself: squares of their own would be written and read again
    return ops.BatchMatMul(transpose_b=True)(rows, rows).sum()


_multiply = ops.MultitypeFuncGraph("multiply")
_square_sum = ops.MultitypeFuncGraph("square_sum")
_add_to = ops.MultitypeFuncGraph("add_to")
_clear = ops.MultitypeFuncGraph("clear")


@_multiply.register("Tensor", "Tensor")
def _multiply_tensor(factor, gradient):
    return gradient * ops.cast(factor, gradient.dtype)


@_square_sum.register("Tensor")
def _square_sum_tensor(gradient):
    return square_sum(gradient)


@_add_to.register("Tensor", "Tensor")
def _add_to_tensor(total, gradient):
    return ops.assign_add(total, gradient)


@_clear.register("Tensor")
def _clear_tensor(total):
    return ops.assign(total, ops.zeros_like(total))
