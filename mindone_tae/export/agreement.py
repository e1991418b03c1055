"""Exported files compared with the model that they were written from."""

from __future__ import annotations

import numpy as np

from mindspore import Tensor

from mindone_tae.models.latent.posterior import split_moments

# Largest difference to expect, over the largest value or 1: float32 sums in another order, and float16's ten bits
# through all layers.
BOUNDS = {"float32": 2e-4, "float16": 5e-2}


class Disagreement(RuntimeError):
    """An exported file computes something else than the model: a fault of the export."""


def example_pixels(shape: tuple[int, ...]) -> np.ndarray:
    """Pixels (b, c, t, h, w) in [-1, 1] to compare on: noise, so that no layer sees zeros or a still picture."""
    return np.clip(np.random.default_rng(0).standard_normal(shape) * 0.5, -1, 1).astype(np.float32)


def compare_shapes(model) -> list[tuple[int, ...]]:
    """Shapes of pixels to compare on: an image, a whole latent frame, two videos of a frame more; none square."""
    side, c = 2**model.halvings, model.in_channels
    return [(1, c, 1, 2 * side, 3 * side), (1, c, side, 3 * side, 2 * side), (2, c, side + 1, 2 * side, 3 * side)]


def model_results(model, x: np.ndarray) -> dict[str, np.ndarray]:
    """What the model gives for pixels x: mean, logvar, and recon, decoded from the mean with all its frames."""
    mean, logvar = split_moments(model.encoder(Tensor(x)))
    return {"mean": mean.asnumpy(), "logvar": logvar.asnumpy(), "recon": model.decoder(mean).asnumpy()}


def differences(
    found: dict[str, np.ndarray], expected: dict[str, np.ndarray], dtype: str, where: str
) -> dict[str, float]:
    """The largest difference of each result.

    Args:
        found: names to what the exported file gave.
        expected: names, among them these, to what the model gave.
        dtype: "float32" or "float16", which the file computes in.
        where: what to call the file in an error.

    Returns:
        Names to differences.

    Raises:
        Disagreement: one is of another shape, or differs by more than the type allows.
    """
    told = {}
    for name, array in found.items():
        right = expected[name]
        if array.shape != right.shape:
            raise Disagreement(f"{where} gives {name} of shape {array.shape}, the model of {right.shape}")
        told[name] = float(np.abs(array - right).max())
        bound = BOUNDS[dtype] * max(1.0, float(np.abs(right).max()))
        if not told[name] <= bound:  # NaN is no agreement
            raise Disagreement(
                f"{where} differs from the model in {name} by {told[name]:.3g} on {right.shape}; it may by {bound:.3g}"
            )
    return told
