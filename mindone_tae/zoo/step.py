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
    """

    def __init__(self, network, optimizer, scale_sense, ema=None, accumulation_steps=1, clip_norm=None):
        super().__init__(
            network,
            optimizer,
            scale_sense=scale_sense,
            ema=ema,
            gradient_accumulation_steps=accumulation_steps,
            clip_grad=clip_norm is not None,
            clip_norm=float(clip_norm or 1.0),
        )
        self.loss_and_gradients = ops.value_and_grad(network, None, self.weights, has_aux=True)
        self.hyper_map = ops.HyperMap()

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
        (_, terms), gradients = self.loss_and_gradients(ops.reshape(ops.cast(scale, ms.float32), ()), *tensors)
        share = 1.0 / (ops.reshape(ops.cast(scale, ms.float32), ()) * self.accum_steps)
        gradients = self.hyper_map(ops.partial(_multiply, share), gradients)
        norm = ops.zeros((), ms.float32)
        refused = ops.zeros((), ms.bool_)
        if self.accum_steps > 1:
            self.hyper_map(ops.partial(_add_to), self.accumulated_grads, gradients)
            if not last_micro_step:
                return terms, norm, refused, scale
            gradients = self.accumulated_grads
        gradients = self.grad_reducer(gradients)
        norm = ops.sqrt(ops.addn(self.hyper_map(_square_sum, gradients)))
        refused = ops.logical_not(ops.isfinite(norm + terms[0]))
        self.process_loss_scale(refused)
        if not refused:
            if self.clip_grad:
                factor = self.clip_norm / ops.maximum(norm, self.clip_norm)
                gradients = self.hyper_map(ops.partial(_multiply, factor), gradients)
            self.run_optimizer(gradients)
            if self.ema is not None:
                self.ema.ema_update()
        if self.accum_steps > 1:
            self.hyper_map(_clear, self.accumulated_grads)
        return terms, norm, refused, scale


_multiply = ops.MultitypeFuncGraph("multiply")
_square_sum = ops.MultitypeFuncGraph("square_sum")
_add_to = ops.MultitypeFuncGraph("add_to")
_clear = ops.MultitypeFuncGraph("clear")


@_multiply.register("Tensor", "Tensor")
def _multiply_tensor(factor, gradient):
    return gradient * ops.cast(factor, gradient.dtype)


@_square_sum.register("Tensor")
def _square_sum_tensor(gradient):
    return ops.square(ops.cast(gradient, ms.float32)).sum()


@_add_to.register("Tensor", "Tensor")
def _add_to_tensor(total, gradient):
    return ops.assign_add(total, gradient)


@_clear.register("Tensor")
def _clear_tensor(total):
    return ops.assign(total, ops.zeros_like(total))
