"""Latents scaled to about unit variance for a generator, in the two conventions in use.

Mixing them up ruins a generator without an error message, so every call names the convention:

    "mindone":   scaled = scale * z + shift      z = (scaled - shift) / scale    (MindONE's TAE guide)
    "diffusers": scaled = (z - shift) * scale    z = scaled / scale + shift      (Diffusers, SD3, MindONE's Movie Gen)
"""

import math
from numbers import Real

CONVENTIONS = ("mindone", "diffusers")
# Stable Diffusion 3.5's, which the published TAE keeps.
SCALING_FACTOR = 1.5305
SHIFT_FACTOR = 0.0609
# How far from mean 0 and standard deviation 1 scaled latents may be before it is said.
_TOLERANCE = 0.1


def check_factors(scaling_factor: float, shift_factor: float) -> tuple[float, float]:
    """Both; raises ValueError for factors with which latents cannot be scaled and unscaled."""
    finite = all(isinstance(factor, Real) and math.isfinite(factor) for factor in (scaling_factor, shift_factor))
    if not finite or scaling_factor == 0:
        raise ValueError(
            f"scaling_factor is {scaling_factor!r} and shift_factor {shift_factor!r}; they must be finite numbers, the "
            f"first not 0: the published model has {SCALING_FACTOR} and {SHIFT_FACTOR}"
        )
    return scaling_factor, shift_factor


def scale_latents(z, convention: str, scaling_factor: float = SCALING_FACTOR, shift_factor: float = SHIFT_FACTOR):
    """Scales latents as a generator expects them.

    Args:
        z: latents as the encoder gives them, any shape, a Tensor or array.
        convention: "mindone" or "diffusers".
        scaling_factor: the model's; by default the published model's.
        shift_factor: the model's; by default the published model's.

    Returns:
        The scaled latents, same shape.

    Raises:
        ValueError: the convention is neither.
    """
    if _check(convention) == "mindone":
        return scaling_factor * z + shift_factor
    return (z - shift_factor) * scaling_factor


def unscale_latents(
    scaled, convention: str, scaling_factor: float = SCALING_FACTOR, shift_factor: float = SHIFT_FACTOR
):
    """The inverse of `scale_latents`: latents as the decoder expects them."""
    if _check(convention) == "mindone":
        return (scaled - shift_factor) / scaling_factor
    return scaled / scaling_factor + shift_factor


def scale_posterior(mean, logvar, convention: str, scaling_factor: float, shift_factor: float) -> tuple:
    """The posterior of scaled latents, from that of latents.

    Args:
        mean: any shape, a Tensor or array.
        logvar: same shape; the shift leaves it alone, the scale does not.
        convention: as `scale_latents`.
        scaling_factor: as `scale_latents`; not 0.
        shift_factor: as `scale_latents`.

    Returns:
        mean and logvar, same shape.

    Raises:
        ValueError: as `scale_latents`.
    """
    return scale_latents(mean, convention, scaling_factor, shift_factor), logvar + 2 * math.log(abs(scaling_factor))


def unscale_posterior(mean, logvar, convention: str, scaling_factor: float, shift_factor: float) -> tuple:
    """The inverse of `scale_posterior`."""
    return unscale_latents(mean, convention, scaling_factor, shift_factor), logvar - 2 * math.log(abs(scaling_factor))


def fitting_factors(mean: float, std: float, convention: str) -> tuple[float, float]:
    """The factors with which latents of this mean and standard deviation come out with 0 and 1.

    Args:
        mean: of the latents.
        std: of the latents, above 0.
        convention: as `scale_latents`.

    Returns:
        scaling_factor and shift_factor.

    Raises:
        ValueError: for a convention that is neither, or latents that are all the same.
    """
    if not std > 0:
        raise ValueError(
            f"the standard deviation is {std}; latents that do not vary cannot be scaled to 1: "
            "take more, or other, videos"
        )
    return 1 / std, (-mean / std if _check(convention) == "mindone" else mean)


def far_from_unit(mean, std, convention, scaling_factor, shift_factor):
    """What latents of this mean and standard deviation are scaled to, where that is more than a tenth off 0 and 1.

    Args:
        mean: of the latents.
        std: of the latents.
        convention: as `scale_latents`.
        scaling_factor: as `scale_latents`.
        shift_factor: as `scale_latents`.

    Returns:
        The scaled latents' mean and standard deviation; None where both are near enough.

    Raises:
        ValueError: as `scale_latents`.
    """
    scaled = scale_latents(mean, convention, scaling_factor, shift_factor), std * abs(scaling_factor)
    return scaled if abs(scaled[0]) > _TOLERANCE or abs(scaled[1] - 1) > _TOLERANCE else None


def _check(convention):
    if convention not in CONVENTIONS:
        raise ValueError(
            f'convention is {convention!r}; it must be "mindone" (scale * z + shift) or "diffusers" '
            "((z - shift) * scale): use the one that the generator was trained with"
        )
    return convention
