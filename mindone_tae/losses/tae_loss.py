"""The training objective of a Temporal Autoencoder: the weighted total, and each term for the log."""

from mindspore import nn, ops

from mindone_tae.zoo.errors import require_one_of, require_within

from .kl import KLLoss
from .lpips.distance import LPIPS
from .lpips.network import NETWORK
from .outlier import OutlierPenalty
from .outputs import pixels_of
from .reconstruction import L1Loss, MSELoss

RECONSTRUCTIONS = {"l1": L1Loss, "mse": MSELoss}
# The paper's largest is 1e5.
_MOST_WEIGHT = 1e12


class TAELoss(nn.Cell):
    """Reconstruction + LPIPS + KL + outlier penalty, weighted as published.

    With reduction "frame_sum":

        total = sum over (c, h, w) of |recon - x|, averaged over frames
              + perceptual_weight * (c*h*w) * LPIPS, averaged over frames
              + kl_weight * KL for each frame
              + opl_weight * OPL

    The c*h*w is the published example's: it adds a frame's LPIPS to every pixel before summing over pixels. With "mean"
    the total is divided by c*h*w, so the terms keep their ratios at any frame size.

    Args:
        reconstruction: "l1" (published) or "mse".
        reduction: "frame_sum" (published) or "mean".
        kl_weight: weight of the KL divergence, in nats a frame of pixels; 0 leaves it out.
        perceptual_weight: weight of LPIPS; 0 leaves it out.
        lpips_path: safetensors file with LPIPS's weights; None leaves LPIPS out, and `notes` says so.
        opl_weight: weight of the outlier penalty; 0 leaves it out. The paper has 1e5, the published results are better
            without.
        opl_form: "norm" (the paper's) or "elementwise" (the published example's).
        opl_radius: standard deviations from the mean without a penalty.

    Attributes:
        term_names: names of the active terms, in the order they follow the total.
        notes: sentences a host may show before training.

    Raises:
        UserError: if a name is unknown, a weight negative, or LPIPS's file missing or unfit.
    """

    def __init__(
        self,
        reconstruction: str = "l1",
        reduction: str = "frame_sum",
        kl_weight: float = 1e-6,
        perceptual_weight: float = 1.0,
        lpips_path: str | None = None,
        opl_weight: float = 0.0,
        opl_form: str = "norm",
        opl_radius: float = 3.0,
    ):
        super().__init__()
        require_one_of(RECONSTRUCTIONS, reconstruction, "reconstruction", "the published recipe has l1")
        weights = {"kl_weight": kl_weight, "perceptual_weight": perceptual_weight, "opl_weight": opl_weight}
        for name, weight in weights.items():
            require_within(0, _MOST_WEIGHT, weight, name, "0 leaves the term out")

        self.kl_weight = kl_weight
        self.perceptual_weight = perceptual_weight
        self.opl_weight = opl_weight
        self.frame_sum = reduction == "frame_sum"
        self.notes = []

        self.reconstruction = RECONSTRUCTIONS[reconstruction](reduction)
        self.kl = KLLoss()
        self.opl = OutlierPenalty(opl_form, opl_radius)
        self.lpips = None
        names = [reconstruction]
        if perceptual_weight > 0 and lpips_path is None:
            self.notes.append(
                "LPIPS is left out, as loss.lpips_path is not set; the published recipe has it, at perceptual_weight "
                f"1.0. To have it, {NETWORK.how_to_get('loss.lpips_path')}"
            )
        elif perceptual_weight > 0:
            self.lpips = LPIPS(lpips_path)
            names.append("lpips")
        if kl_weight > 0:
            names.append("kl")
        if opl_weight > 0:
            names.append("opl")
        self.term_names = tuple(names)

    def construct(self, outputs, *batch):
        """The loss of one batch.

        Args:
            outputs: tuple (recon, z, mean, logvar), recon (b, c, t, h, w) in [-1, 1], the rest (b, zc, lt, lh, lw);
                recon alone where neither KL nor the outlier penalty is used.
            batch: the dataset's columns; the first is x (b, c, t, h, w) in [-1, 1].

        Returns:
            (total, *terms), scalars in float32. The terms are unweighted, carry no gradient, and have units independent
            of frame size and reduction: "l1" or "mse" a mean over pixels, "lpips" a mean over frames, "kl" nats a frame
            of pixels, "opl" the latent's unit.

        Raises:
            UserError: if an active term lacks what it needs in outputs, with the key that turns it off.
        """
        recon, x = pixels_of(outputs, batch)
        b, c, t, h, w = x.shape
        frame_size = c * h * w
        # The reconstruction's reduction sets the scale of the total; the other terms follow it.
        scale = 1.0 if self.frame_sum else 1.0 / frame_size

        total = self.reconstruction(recon, x)
        terms = (total / frame_size if self.frame_sum else total,)
        if self.lpips is not None:
            lpips = self.lpips(_frames(recon), ops.stop_gradient(_frames(x))).mean()
            total = total + self.perceptual_weight * scale * frame_size * lpips
            terms = terms + (lpips,)
        if self.kl_weight > 0:
            kl = self.kl(outputs, x)
            total = total + self.kl_weight * scale * kl
            terms = terms + (kl,)
        if self.opl_weight > 0:
            opl = self.opl(outputs, x)
            total = total + self.opl_weight * scale * opl
            terms = terms + (opl,)
        # stop_gradient: a host that differentiates all outputs would otherwise train on the terms twice.
        return (total,) + ops.stop_gradient(terms)


def _frames(video):
    b, c, t, h, w = video.shape
    return ops.reshape(ops.transpose(video, (0, 2, 1, 3, 4)), (b * t, c, h, w))
