"""The encoder's posterior: a diagonal Gaussian."""

from mindspore import ops


def split_moments(moments):
    """Mean and clipped log-variance.

    Args:
        moments: (b, 2*zc, lt, lh, lw).

    Returns:
        mean and logvar, each (b, zc, lt, lh, lw), logvar in [-30, 20].
    """
    channels = moments.shape[1] // 2
    mean, logvar = moments[:, :channels], moments[:, channels:]
    # as numbers: MindSpore's rewriting for O1 copies functions without their module's constants
    return mean, ops.clamp(logvar, -30.0, 20.0)


def sample_posterior(mean, logvar, noise):
    """mean + exp(logvar / 2) * noise, all of one shape."""
    return mean + ops.exp(0.5 * logvar) * noise
