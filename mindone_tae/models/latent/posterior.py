"""The encoder's posterior, a diagonal Gaussian, and the methods of autoencoders that use it."""

import numpy as np

from mindspore import ops

from . import scaling
from .shape import check_pixels

LOGVAR_MIN, LOGVAR_MAX = -30.0, 20.0


def split_moments(moments):
    """Mean and clipped log-variance.

    Args:
        moments: (b, 2*zc, lt, lh, lw).

    Returns:
        mean and logvar, each (b, zc, lt, lh, lw), logvar in [-30, 20].
    """
    channels = moments.shape[1] // 2
    mean, logvar = moments[:, :channels], moments[:, channels:]
    # LOGVAR_MIN and LOGVAR_MAX as numbers: MindSpore's rewriting for O1 copies functions without such constants
    return mean, ops.clamp(logvar, -30.0, 20.0)


def sample_posterior(mean, logvar, noise):
    """mean + exp(logvar / 2) * noise, all of one shape."""
    return mean + ops.exp(0.5 * logvar) * noise


class LatentModel:
    """Methods that autoencoders share: sampling the posterior, training inputs, scaling.

    The class it is mixed into has in_channels, latent_channels, halvings, scaling_factor, shift_factor,
    sample_deterministic and `latent_size`. A method calls a function of its own name by the function's module:
    MindSpore's compiler would take the bare name for the method.
    """

    def _posterior(self, moments, noise):
        """z, mean and logvar of moments (b, 2*zc, lt, lh, lw); noise None draws it."""
        mean, logvar = split_moments(moments)
        if self.sample_deterministic:
            return mean, mean, logvar
        if noise is None:
            noise = ops.standard_normal(mean.shape)
        if noise.shape != mean.shape:
            raise ValueError(
                f"noise has shape {noise.shape}; it must have the latent's, {mean.shape}: draw it with that shape"
            )
        return sample_posterior(mean, logvar, noise), mean, logvar

    def training_inputs(self, batch: tuple, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The model's inputs in one training step: the pixels and the posterior's noise, drawn on the host.

        With the noise as an input a step is a pure function of its inputs: a resumed run repeats it exactly, and the
        graph runs the network once instead of once for the loss and once for its gradient.

        Args:
            batch: the dataset's columns, NumPy, pixels (b, c, t, h, w) first.
            rng: generator of this step.

        Returns:
            Tuple of arrays for `construct`.
        """
        x = batch[0]
        check_pixels(x.shape, self.in_channels, self.halvings)
        shape = (x.shape[0], self.latent_channels, *self.latent_size(x.shape[2:]))
        return x, rng.standard_normal(shape, dtype=np.float32)

    def scale_latents(self, z, convention: str):
        """Scales by this model's factors; see `mindone_tae.scale_latents`."""
        return scaling.scale_latents(z, convention, self.scaling_factor, self.shift_factor)

    def unscale_latents(self, scaled, convention: str):
        """The inverse of `scale_latents`."""
        return scaling.unscale_latents(scaled, convention, self.scaling_factor, self.shift_factor)
