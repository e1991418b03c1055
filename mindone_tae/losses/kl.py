"""KL divergence of the posterior from a standard normal."""

from mindspore import nn, ops

from .outputs import latent_of, pixels_of

# The posterior's own limits on logvar: outside them the gradient is zero there too.
LOGVAR_RANGE = (-30.0, 20.0)


class KLLoss(nn.Cell):
    """KL divergence of N(mean, exp(logvar)) from N(0, 1), for each frame of pixels.

    Summed over the whole latent and divided by the b*t frames of the video, not by the latent's frames, as in the
    published example, whose weight of 1e-6 assumes that.
    """

    term_names = ()

    def construct(self, outputs, *batch):
        """The loss of one batch.

        Args:
            outputs: tuple (recon, z, mean, logvar); mean and logvar (b, zc, lt, lh, lw).
            batch: the dataset's columns; the first is x (b, c, t, h, w).

        Returns:
            scalar, float32, nats a frame of pixels.

        Raises:
            UserError: if outputs has no posterior.
        """
        remedy = "use a model with a posterior, or leave the term out, in tae_loss by loss.kl_weight: 0"
        _, mean, logvar = latent_of(outputs, 4, "the KL term", remedy)
        _, x = pixels_of(outputs, batch)
        logvar = ops.clamp(logvar, LOGVAR_RANGE[0], LOGVAR_RANGE[1])
        divergence = 0.5 * (ops.square(mean) + ops.exp(logvar) - 1.0 - logvar)
        return divergence.sum() / (x.shape[0] * x.shape[2])
