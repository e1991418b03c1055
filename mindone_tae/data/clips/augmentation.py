"""Random changes of a clip's colours, size and speed, to augment a small set of videos."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mindone_tae.zoo.errors import UserError, require_within

# Weights of red, green and blue in luma (BT.601), and two orthonormal axes orthogonal to grey: the plane of hues.
_LUMA = np.array([0.299, 0.587, 0.114])
_CHROMA = np.linalg.qr(np.array([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [1.0, 1.0, -2.0]]).T)[0].T[1:]
_MIDDLE_GREY = 0.5


@dataclass(frozen=True)
class Augmentation:
    """Ranges from which each clip's changes are drawn.

    Attributes:
        exposure: stops: the clip's values times 2**u, u drawn uniformly from -exposure to exposure.
        contrast: distances from middle grey times 1 + u, u from -contrast to contrast.
        gamma: values, from 0 to 1, to the power 2**u, u from -gamma to gamma.
        hue: colours turned about grey by u degrees, u from -hue to hue.
        saturation: distances from grey times 1 + u, u from -saturation to saturation.
        scales: factors of 1 or more, of which one is drawn: the size of the frame relative to the smallest that holds
            the crop, limited by the video's pixels.
        speeds: whole factors of the stride, of which one is drawn that the video's length allows.
    """

    exposure: float = 0.0
    contrast: float = 0.0
    gamma: float = 0.0
    hue: float = 0.0
    saturation: float = 0.0
    scales: tuple[float, ...] = (1.0,)
    speeds: tuple[int, ...] = (1,)

    def __post_init__(self):
        most = {"exposure": 8, "contrast": 1, "gamma": 3, "hue": 180, "saturation": 1}
        for name, bound in most.items():
            require_within(0, bound, getattr(self, name), f"augment_{name}", "0 leaves it as it is")
        if not self.scales or any(not 1 <= scale <= 64 for scale in self.scales):
            raise UserError(
                f"augment_scales is {list(self.scales)}; it must be factors from 1 to 64, such as [1.0, 1.5]: "
                "[1.0] changes nothing"
            )
        if not self.speeds or any(not isinstance(speed, int) or not 1 <= speed <= 1000 for speed in self.speeds):
            raise UserError(
                f"augment_speeds is {list(self.speeds)}; it must be whole factors from 1, such as [1, 2]: "
                "[1] changes nothing"
            )

    def draw_scale(self, rng: np.random.Generator) -> float:
        """One clip's factor of size; draws nothing where there is no choice."""
        return self.scales[int(rng.integers(len(self.scales)))] if len(self.scales) > 1 else self.scales[0]

    def draw_speed(self, rng: np.random.Generator, fits: Callable[[int], bool]) -> int:
        """One clip's factor of the stride among those that `fits` allows, or 1; draws nothing without a choice."""
        fitting = [speed for speed in self.speeds if fits(speed)] if len(self.speeds) > 1 else self.speeds
        return fitting[int(rng.integers(len(fitting)))] if len(fitting) > 1 else (fitting or (1,))[0]

    def colour(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Changes a clip's colours, all frames alike; draws nothing where all ranges are 0.

        Args:
            x: float32 (3, t, h, w) in [-1, 1].
            rng: draws the change.

        Returns:
            float32 (3, t, h, w) in [-1, 1].
        """
        if not (self.exposure or self.contrast or self.gamma or self.hue or self.saturation):
            return x
        exposure, contrast, gamma, hue, saturation = rng.uniform(-1, 1, 5)
        gain = 2.0 ** (exposure * self.exposure)
        contrast, gamma = 1 + contrast * self.contrast, 2.0 ** (gamma * self.gamma)
        turn = _turned(np.deg2rad(hue * self.hue), 1 + saturation * self.saturation)
        # around middle grey after exposure, on values from 0 to 1; the clip comes in -1 to 1
        matrix = (0.5 * gain * contrast * turn).astype(np.float32)
        offset = matrix.sum(axis=1, keepdims=True) + np.float32(_MIDDLE_GREY * (1 - contrast))
        y = matrix @ x.reshape(3, -1)
        y += offset
        np.clip(y, 0, 1, out=y)
        if gamma != 1:
            np.power(y, np.float32(gamma), out=y)
        y *= 2
        y -= 1
        return y.reshape(x.shape)


def _turned(angle, saturation):
    """The matrix (3, 3) that keeps grey and luma, turns colours about grey, and scales their distance from it."""
    cos, sin = np.cos(angle), np.sin(angle)
    turned = _CHROMA.T @ np.array([[cos, -sin], [sin, cos]]) @ _CHROMA + np.full((3, 3), 1 / 3)
    grey = np.outer(np.ones(3), _LUMA)
    return grey + saturation * (np.eye(3) - grey) @ turned
