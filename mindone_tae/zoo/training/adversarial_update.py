"""One step of two networks: the model, which a discriminator judges as well, and the discriminator.

Both take their gradients of the same reconstruction, and both change or neither does.
"""

import mindspore as ms
from mindspore import nn, ops

from .update import ForwardWithLoss, square_sum

# As VQGAN has them (Esser et al., arXiv 2012.09841, section 3.1, and its code).
_RATIO_EPS = 1e-4
_LARGEST_RATIO = 1e4


class JudgedForward(ForwardWithLoss):
    """Model, loss and the discriminator's opinion as one cell.

    Args:
        model, loss, model_inputs: as ForwardWithLoss takes them.
        discriminator: by `protocols`; what it is charged with here does not train it.
    """

    def __init__(self, model, loss, model_inputs, discriminator):
        super().__init__(model, loss, model_inputs)
        self.discriminator = discriminator

    def construct(self, scale, judged, weight, *tensors):
        """The scaled loss, and what is to be read.

        Args:
            scale: loss scale.
            judged: whether the discriminator takes part; a Python bool.
            weight: of its charge.
            *tensors: the model's inputs, then the dataset's columns.

        Returns:
            The scaled total; and the tuple of total, terms, and where judged the charge and the reconstruction.
        """
        outputs = self.model(*tensors[: self.model_inputs])
        result = self.loss(outputs, *tensors[self.model_inputs :])
        terms = result if isinstance(result, tuple) else (result,)
        total = ops.cast(terms[0], ms.float32)
        if not judged:
            return total * scale, terms
        recon = outputs[0] if isinstance(outputs, tuple) else outputs
        charge = self.discriminator.generator_loss(self.discriminator(recon))
        total = total + weight * charge
        return total * scale, (total,) + terms[1:] + (charge, recon)


class DiscriminatorForward(nn.Cell):
    """The discriminator and its loss, of pixels and their reconstruction.

    Args:
        discriminator: by `protocols`.
    """

    def __init__(self, discriminator):
        super().__init__(auto_prefix=False)
        self.discriminator = discriminator

    def construct(self, scale, x, recon):
        """The scaled loss, and the tuple of the loss and the mean logits of x and of recon."""
        real, fake = self.discriminator(x), self.discriminator(recon)
        loss = self.discriminator.discriminator_loss(real, fake)
        return loss * scale, (loss, real.mean(), fake.mean())


class _Charge(nn.Cell):
    """The discriminator's charge alone."""

    def __init__(self, model, discriminator, model_inputs):
        super().__init__(auto_prefix=False)
        self.model = model
        self.discriminator = discriminator
        self.model_inputs = model_inputs

    def construct(self, scale, *tensors):
        outputs = self.model(*tensors[: self.model_inputs])
        recon = outputs[0] if isinstance(outputs, tuple) else outputs
        return self.discriminator.generator_loss(self.discriminator(recon)) * scale


class AdaptiveWeight(nn.Cell):
    """How many times stronger the loss pulls at the model's last layer than the discriminator's charge does.

    Weighted by this ratio of the gradients' norms, the two pull equally hard, whatever the units of the loss.

    Args:
        model, loss, model_inputs: as ForwardWithLoss takes them.
        discriminator: by `protocols`.
        last_layer: the parameter that the gradients are compared at.
        step: the model's TrainStep, for its loss scale and its reducer over devices.
    """

    def __init__(self, model, loss, model_inputs, discriminator, last_layer, step):
        super().__init__(auto_prefix=False)
        weights = ms.ParameterTuple([last_layer])
        self.gradient_of_loss = ops.value_and_grad(ForwardWithLoss(model, loss, model_inputs), None, weights, has_aux=True)
        self.gradient_of_charge = ops.value_and_grad(_Charge(model, discriminator, model_inputs), None, weights)
        self.step = step
        # Every device takes the ratio of the whole batch.
        self.reducer = nn.DistributedGradReducer(weights, step.mean, step.degree) if step.reducer_flag else nn.Identity()

    def construct(self, *tensors):
        """The ratio, at most 1e4: a scalar, float32, without gradient."""
        scale = self.step.current_scale()
        _, pulls = self.gradient_of_loss(scale, *tensors)
        _, pushes = self.gradient_of_charge(scale, *tensors)
        pull, push = self.reducer(pulls)[0], self.reducer(pushes)[0]
        ratio = ops.sqrt(square_sum(pull)) / (ops.sqrt(square_sum(push)) + _RATIO_EPS * scale)
        return ops.minimum(ratio, ops.full_like(ratio, _LARGEST_RATIO))


class AdversarialStep(nn.Cell):
    """The step of both networks.

    Args:
        model_step: a TrainStep of a JudgedForward.
        discriminator_step: a TrainStep of a DiscriminatorForward, with as many micro-steps.
        weight: of the discriminator's charge.
        adaptive: AdaptiveWeight, whose ratio is a further factor of the weight; or None.
        model_inputs: how many tensors the model takes.
    """

    def __init__(self, model_step, discriminator_step, weight, adaptive, model_inputs):
        super().__init__(auto_prefix=False)
        self.model_step = model_step
        self.discriminator_step = discriminator_step
        self.weight = ms.Tensor(weight, ms.float32)
        self.adaptive = adaptive
        self.model_inputs = model_inputs

    def construct(self, last_micro_step, judged, *tensors):
        """Runs one micro-step, and with the last of them the updates.

        Args:
            last_micro_step: whether this one ends the accumulation; a Python bool.
            judged: whether the discriminator takes part; a Python bool. Without it this is the model's TrainStep.
            *tensors: the model's inputs, then the dataset's columns.

        Returns:
            As TrainStep's; behind the terms, where judged, the charge, its weight, the discriminator's loss, and the mean
            logits of the pixels and of the reconstruction. The norm is the model's gradient's.
        """
        weight = self.weight
        if not judged:
            return self.model_step(last_micro_step, judged, weight, *tensors)
        if self.adaptive is not None:
            weight = weight * self.adaptive(*tensors)
        scale = self.model_step.scale_sense
        terms, gradients = self.model_step.measure(judged, weight, *tensors)
        verdict, discriminator_gradients = self.discriminator_step.measure(tensors[self.model_inputs], terms[-1])
        terms = terms[:-1] + (weight,) + verdict
        if not last_micro_step:
            return terms, ops.zeros((), ms.float32), ops.zeros((), ms.bool_), scale
        gradients, norm = self.model_step.gather(gradients)
        discriminator_gradients, discriminator_norm = self.discriminator_step.gather(discriminator_gradients)
        refused = self.model_step.not_finite(norm + discriminator_norm + terms[0] + verdict[0])
        self.model_step.update(gradients, norm, refused)
        self.discriminator_step.update(discriminator_gradients, discriminator_norm, refused)
        return terms, norm, refused, scale
