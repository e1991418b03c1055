"""The encoder's posterior: a diagonal Gaussian."""

from mindspore import ops

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
    return mean, ops.clamp(logvar, LOGVAR_MIN, LOGVAR_MAX)


def sample_posterior(mean, logvar, noise):
    """mean + exp(logvar / 2) * noise, all of one shape."""
    return mean + ops.exp(0.5 * logvar) * noise
