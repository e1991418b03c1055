"""The discriminator's own loss and the autoencoder's adversarial loss, both from logits."""

from mindspore import nn, ops

from mindone_tae.zoo.errors import require_one_of

OBJECTIVES = ("hinge", "vanilla")


class Discriminator(nn.Cell):
    """A network that tells real pixels from reconstructed ones, with its two losses.

    "hinge" (Lim and Ye, arXiv 1705.02894; as in VQGAN, arXiv 2012.09841):

        discriminator:  (mean(max(1 - real, 0)) + mean(max(1 + fake, 0))) / 2        autoencoder:  -mean(fake)

    "vanilla" (Goodfellow et al., arXiv 1406.2661, the non-saturating form), softplus(v) = log(1 + exp(v)):

        discriminator:  (mean(softplus(-real)) + mean(softplus(fake))) / 2           autoencoder:  mean(softplus(-fake))

    Args:
        objective: "hinge" or "vanilla".

    Raises:
        UserError: if it is neither.
    """

    def __init__(self, objective: str = "hinge"):
        super().__init__()
        require_one_of(OBJECTIVES, objective, "the discriminator's objective", "VQGAN's is hinge")
        self.hinge = objective == "hinge"

    def generator_loss(self, fake):
        """The autoencoder's adversarial loss.

        Args:
            fake: logits of the reconstruction, any shape, float32; positive where it is judged real.

        Returns:
            scalar, float32.
        """
        if self.hinge:
            return -fake.mean()
        return _softplus(-fake).mean()

    def discriminator_loss(self, real, fake):
        """The discriminator's loss.

        Args:
            real: logits of the video, any shape, float32.
            fake: logits of its reconstruction.

        Returns:
            scalar, float32.
        """
        if self.hinge:
            return 0.5 * (ops.relu(1.0 - real).mean() + ops.relu(1.0 + fake).mean())
        return 0.5 * (_softplus(-real).mean() + _softplus(fake).mean())


def _softplus(v):
    # exp of a negative number only: it cannot overflow
    return ops.relu(v) + ops.log1p(ops.exp(-ops.abs(v)))
