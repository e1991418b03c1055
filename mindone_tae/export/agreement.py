"""Compares exported files with the model they were written from."""

from __future__ import annotations

import numpy as np

from mindspore import Tensor

from mindone_tae.models.latent.posterior import split_moments

# Largest allowed difference, relative to the largest value or 1: float32 sums in another order, and float16's ten
# bits of mantissa through all layers.
BOUNDS = {"float32": 2e-4, "float16": 5e-2}


class Disagreement(RuntimeError):
    """An exported file and the model differ by more than rounding: a bug in the export."""


def example_pixels(shape: tuple[int, ...]) -> np.ndarray:
    """Gaussian noise (b, c, t, h, w) clipped to [-1, 1] to compare on."""
    return np.clip(np.random.default_rng(0).standard_normal(shape) * 0.5, -1, 1).astype(np.float32)


def compare_shapes(model) -> list[tuple[int, ...]]:
    """Input shapes to compare on: an image, frames of one latent frame, two videos one frame longer; none square."""
    side, c = 2**model.halvings, model.in_channels
    return [(1, c, 1, 2 * side, 3 * side), (1, c, side, 3 * side, 2 * side), (2, c, side + 1, 2 * side, 3 * side)]


def model_results(model, x: np.ndarray) -> dict[str, np.ndarray]:
    """The model's mean and logvar for pixels x, and recon, decoded from the mean, no frames dropped."""
    mean, logvar = split_moments(model.encoder(Tensor(x)))
    return {"mean": mean.asnumpy(), "logvar": logvar.asnumpy(), "recon": model.decoder(mean).asnumpy()}


def differences(
    found: dict[str, np.ndarray], expected: dict[str, np.ndarray], dtype: str, where: str
) -> dict[str, float]:
    """The largest difference of each result.

    Args:
        found: the exported file's results by name.
        expected: the model's results by name; may have more of them.
        dtype: "float32" or "float16", the type that the file computes in.
        where: description of the file for errors.

    Returns:
        Differences by name.

    Raises:
        Disagreement: a shape differs, or a value by more than the type allows.
    """
    told = {}
    for name, array in found.items():
        right = expected[name]
        if array.shape != right.shape:
            raise Disagreement(f"{where} gives {name} of shape {array.shape}, the model of {right.shape}")
        told[name] = float(np.abs(array - right).max())
        bound = BOUNDS[dtype] * max(1.0, float(np.abs(right).max()))
        if not told[name] <= bound:  # also true of NaN
            raise Disagreement(
                f"{where} differs from the model in {name} by {told[name]:.3g} on {right.shape}; it may by {bound:.3g}"
            )
    return told
