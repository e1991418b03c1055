"""Pixelwise reconstruction losses."""

from mindspore import nn, ops

from mindone_tae.zoo.errors import require_one_of

from .outputs import pixels_of

REDUCTIONS = ("frame_sum", "mean")


class _PixelLoss(nn.Cell):
    """A distance per pixel, summed over the frame or averaged over everything.

    Args:
        reduction: "frame_sum" sums over (c, h, w) and averages over the b*t frames, as the published example does;
            "mean" averages over everything.

    Raises:
        UserError: if reduction is neither.
    """

    term_names = ()

    def __init__(self, reduction: str = "frame_sum"):
        super().__init__()
        require_one_of(REDUCTIONS, reduction, "reduction", "the published recipe has frame_sum")
        self.frame_sum = reduction == "frame_sum"

    def construct(self, outputs, *batch):
        """The loss of one batch.

        Args:
            outputs: recon (b, c, t, h, w) in [-1, 1], or a tuple whose first item it is.
            batch: the dataset's columns; the first is x (b, c, t, h, w) in [-1, 1].

        Returns:
            scalar, float32.
        """
        recon, x = pixels_of(outputs, batch)
        total = self.distance(recon - x).sum()
        b, c, t, h, w = x.shape
        if self.frame_sum:
            return total / (b * t)
        return total / (b * c * t * h * w)


class L1Loss(_PixelLoss):
    """Absolute difference, |recon - x|.

    Args:
        reduction: "frame_sum" (summed over (c, h, w), averaged over frames) or "mean" (averaged over everything).

    Raises:
        UserError: if reduction is neither.
    """

    def distance(self, difference):
        """Absolute value, elementwise."""
        return ops.abs(difference)


class MSELoss(_PixelLoss):
    """Squared difference, (recon - x)^2.

    Args:
        reduction: "frame_sum" (summed over (c, h, w), averaged over frames) or "mean" (averaged over everything).

    Raises:
        UserError: if reduction is neither.
    """

    def distance(self, difference):
        """Square, elementwise."""
        return ops.square(difference)
