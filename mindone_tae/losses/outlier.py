"""The outlier penalty: keeps the energy of a latent frame from concentrating at single positions."""

from mindspore import nn, ops

from mindone_tae.zoo.errors import require_one_of, require_within

from .outputs import latent_of
from .safe_sqrt import safe_sqrt

FORMS = ("norm", "elementwise")


class OutlierPenalty(nn.Cell):
    """Outlier penalty loss, OPL (Movie Gen, arXiv 2410.13720, section on the TAE).

    The penalty of a latent frame X (zc, lh, lw) is the mean over positions (i, j) of

        max(||X_ij - mean(X)|| - radius * ||std(X)||, 0)

    Mean and std run over (lh, lw); std is the population's (divides by lh*lw). The latent frames are averaged.

    Args:
        form: "norm" takes the norms over the channels, as in the paper; "elementwise" treats every channel by itself,
            as in the published example.
        radius: standard deviations without a penalty (the paper's r).

    Raises:
        UserError: if form is neither, or radius is negative.
    """

    term_names = ()

    def __init__(self, form: str = "norm", radius: float = 3.0):
        super().__init__()
        require_one_of(FORMS, form, "the outlier penalty's form", "the paper's is norm")
        require_within(0, 1e6, radius, "the outlier penalty's radius", "the paper has 3")
        self.over_channels = form == "norm"
        self.radius = radius

    def construct(self, outputs, *batch):
        """The loss of one batch.

        Args:
            outputs: tuple (recon, z, ...); z (b, zc, lt, lh, lw).
            batch: not used.

        Returns:
            scalar, float32, in the latent's unit.

        Raises:
            UserError: if outputs has no latent.
        """
        remedy = "use a model that returns its latent, or leave the term out, in tae_loss by loss.opl_weight: 0"
        (z,) = latent_of(outputs, 2, "the outlier penalty", remedy)
        centred = z - z.mean(axis=(3, 4), keep_dims=True)
        squared = ops.square(centred)
        variance = squared.mean(axis=(3, 4), keep_dims=True)  # (b, zc, lt, 1, 1)
        if self.over_channels:
            distance = safe_sqrt(squared.sum(axis=1))  # (b, lt, lh, lw)
            spread = safe_sqrt(variance.sum(axis=1))  # (b, lt, 1, 1)
        else:
            distance = ops.abs(centred)
            spread = safe_sqrt(variance)
        return ops.relu(distance - self.radius * spread).mean()
