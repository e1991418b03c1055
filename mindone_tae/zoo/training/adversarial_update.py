"""One training step of two networks: the model, with an adversarial loss, and the discriminator.

Both gradients are of the same reconstruction, and either both networks are updated or neither.
"""

import mindspore as ms
from mindspore import nn, ops

from .update import ForwardWithLoss, Gradients, reducer, square_sum

# As VQGAN has them (Esser et al., arXiv 2012.09841, section 3.1, and its code).
_RATIO_EPS = 1e-4
_LARGEST_RATIO = 1e4


class JudgedForward(ForwardWithLoss):
    """Model, loss and adversarial loss as one cell.

    Args:
        model, loss, model_inputs: as ForwardWithLoss takes them.
        discriminator: by `protocols`; it is not trained here.
    """

    def __init__(self, model, loss, model_inputs, discriminator):
        super().__init__(model, loss, model_inputs)
        self.discriminator = discriminator

    def construct(self, scale, weight, *tensors):
        """The scaled loss, and its terms.

        Args:
            scale: loss scale.
            weight: of the adversarial loss.
            *tensors: the model's inputs, then the dataset's columns.

        Returns:
            The scaled total; and the tuple of total, terms, adversarial loss and reconstruction.
        """
        outputs, terms = self.outputs_and_terms(*tensors)
        adversarial_loss, recon = self.adversarial_loss(outputs)
        total = ops.cast(terms[0], ms.float32) + weight * adversarial_loss
        return total * scale, (total,) + terms[1:] + (adversarial_loss, recon)

    def adversarial_loss(self, outputs):
        """The adversarial loss of the model's outputs, and the reconstruction in them."""
        recon = outputs[0] if isinstance(outputs, tuple) else outputs
        return self.discriminator.generator_loss(self.discriminator(recon)), recon


class DiscriminatorForward(nn.Cell):
    """The discriminator and its loss on pixels and their reconstruction.

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


class _AdversarialLoss(JudgedForward):
    """The adversarial loss alone."""

    def construct(self, scale, *tensors):
        adversarial_loss, _ = self.adversarial_loss(self.model(*tensors[: self.model_inputs]))
        return adversarial_loss * scale


class AdaptiveWeight(nn.Cell):
    """Ratio of the norms of two gradients at the model's last layer: the loss's over the adversarial loss's.

    Weighted by this ratio, both gradients have the same norm there, whatever the units of the loss.

    Args:
        model, loss, model_inputs: as ForwardWithLoss takes them.
        discriminator: by `protocols`.
        last_layer: the parameter that the gradients are compared at.
        update: the model's NetworkUpdate, for its loss scale and its reducer over devices.
    """

    def __init__(self, model, loss, model_inputs, discriminator, last_layer, update):
        super().__init__(auto_prefix=False)
        weights = ms.ParameterTuple([last_layer])
        forward = ForwardWithLoss(model, loss, model_inputs)
        adversarial = _AdversarialLoss(model, loss, model_inputs, discriminator)
        self.gradient_of_loss = ops.value_and_grad(forward, None, weights, has_aux=True)
        self.gradient_of_adversarial_loss = ops.value_and_grad(adversarial, None, weights)
        self.scale_sense = update.scale_sense
        # Averaged over devices, so that all take the ratio of the whole batch.
        self.reducer = reducer(weights)

    def construct(self, *tensors):
        """The ratio, at most 1e4: a scalar, float32, without a gradient."""
        scale = self.scale_sense * 1.0
        _, loss_gradients = self.gradient_of_loss(scale, *tensors)
        _, adversarial_gradients = self.gradient_of_adversarial_loss(scale, *tensors)
        of_loss, of_adversarial = self.reducer(loss_gradients)[0], self.reducer(adversarial_gradients)[0]
        ratio = ops.sqrt(square_sum(of_loss)) / (ops.sqrt(square_sum(of_adversarial)) + _RATIO_EPS * scale)
        return ops.minimum(ratio, ops.full_like(ratio, _LARGEST_RATIO))


class JudgedGradients(nn.Cell):
    """The gradients of both networks of one micro-batch.

    Args:
        model, loss, model_inputs: as ForwardWithLoss takes them.
        discriminator: by `protocols`.
        update, discriminator_update: NetworkUpdate of the model and of the discriminator, with as many micro-steps.
        weight: of the adversarial loss.
        adaptive: AdaptiveWeight, whose ratio is a further factor of the weight; or None.
    """

    def __init__(self, model, loss, model_inputs, discriminator, update, discriminator_update, weight, adaptive):
        super().__init__(auto_prefix=False)
        self.of_model = Gradients(JudgedForward(model, loss, model_inputs, discriminator), update)
        self.of_discriminator = Gradients(DiscriminatorForward(discriminator), discriminator_update)
        self.weight = ms.Tensor(weight, ms.float32)
        self.adaptive = adaptive
        self.model_inputs = model_inputs

    def construct(self, *tensors):
        """What TrainStep takes: the terms, the sum of both losses, and the gradients.

        The terms are those of the loss, the adversarial loss, its weight, the discriminator's loss, and the mean logits
        of the pixels and of the reconstruction.
        """
        weight = self.weight
        if self.adaptive is not None:
            weight = weight * self.adaptive(*tensors)
        terms, total, gradients = self.of_model(weight, *tensors)
        discriminator_terms, loss, discriminator_gradients = self.of_discriminator(
            tensors[self.model_inputs], terms[-1]
        )
        losses = ops.cast(total, ms.float32) + loss
        return terms[:-1] + (weight,) + discriminator_terms, losses, gradients + discriminator_gradients
