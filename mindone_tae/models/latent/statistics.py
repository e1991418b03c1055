"""Mean and standard deviation of latents by channel, in one pass that holds one latent at a time."""

from __future__ import annotations

import math

import numpy as np

from .scaling import CONVENTIONS, fitting_factors

HOW = (
    "z is a sample of the posterior, as a generator is trained on: its mean is the average of the posterior's means, "
    "its variance that of the means plus the average of exp(logvar), exact and without drawing noise (law of total "
    "variance). Every value of every clip counts once. One pass in float64, clips merged as in Chan, Golub and LeVeque "
    "(1979)."
)


class LatentStatistics:
    """Running statistics of posteriors.

    Attributes:
        count: values a channel, so far.
    """

    def __init__(self):
        self.count = 0
        self._mean = self._squares = self._variance = None  # (zc,) each; squares: summed, of distances from the mean

    def add(self, mean: np.ndarray, logvar: np.ndarray, source: str = "the latent") -> None:
        """Adds a posterior, or a chunk of one.

        Args:
            mean: array ([b,] zc, lt, lh, lw), unscaled.
            logvar: array of the same shape.
            source: its name in errors.

        Raises:
            ValueError: for values that are not finite, or another number of channels than before.
        """
        found = [_of_channel(*channel) for channel in zip(_by_channel(mean), _by_channel(logvar))]
        average, squares, variance = np.array(found).T
        if not np.isfinite(found).all():
            raise ValueError(
                f"{source} holds values that are not finite; statistics need numbers: encode it again, or leave it out"
            )
        if self.count == 0:
            self._mean, self._squares, self._variance = (np.zeros(len(found)) for _ in range(3))
        elif len(found) != len(self._mean):
            raise ValueError(
                f"{source} has {len(found)} channels and those before it have {len(self._mean)}; they must be latents "
                "of one model: take a folder that holds those alone"
            )
        new = mean.size // len(found)
        self.count += new
        weight, distance = new / self.count, average - self._mean
        self._mean += distance * weight
        self._squares += squares + distance**2 * weight * (self.count - new)
        self._variance += (variance - self._variance) * weight

    def summary(self) -> dict:
        """All statistics, ready for JSON.

        Returns:
            how; values_per_channel; `overall`, over all channels, and `channels`, a list: each a dict of mean, std,
            std_of_means and, by convention, the scaling_factor and shift_factor that give z mean 0 and standard
            deviation 1. A channel that does not vary has None for them. latents_mean and latents_std: those of the
            channels, as lists.

        Raises:
            ValueError: for no latent at all, or latents that are all the same.
        """
        if self.count == 0:
            raise ValueError(
                "there is no latent to make statistics of; at least one is needed: check where they come from"
            )
        of_means = self._squares / self.count
        channels = [_entry(*channel) for channel in zip(self._mean, of_means, self._variance)]
        overall = _entry(self._mean.mean(), of_means.mean() + self._mean.var(), self._variance.mean())
        return {
            "how": HOW,
            "values_per_channel": self.count,
            "overall": overall | _factors(overall),
            "channels": [
                entry | (_factors(entry) if entry["std"] > 0 else dict.fromkeys(CONVENTIONS)) for entry in channels
            ],
            "latents_mean": [entry["mean"] for entry in channels],
            "latents_std": [entry["std"] for entry in channels],
        }


def _by_channel(array):
    """The channels of ([b,] zc, lt, lh, lw)."""
    return np.moveaxis(array, -4, 0)


def _of_channel(mean, logvar):
    """Average of the means, sum of their squared distances from it, and average variance of one channel, in float64."""
    mean = mean.astype(np.float64)
    average = mean.mean()
    with np.errstate(over="ignore"):  # `add` reports what overflows as not finite
        return average, ((mean - average) ** 2).sum(), np.exp(logvar.astype(np.float64)).mean()


def _entry(mean, variance_of_means, variance):
    return {
        "mean": float(mean),
        "std": math.sqrt(variance_of_means + variance),
        "std_of_means": math.sqrt(variance_of_means),
    }


def _factors(entry):
    names = ("scaling_factor", "shift_factor")
    return {
        convention: dict(zip(names, fitting_factors(entry["mean"], entry["std"], convention)))
        for convention in CONVENTIONS
    }
