"""A latent as pictures: its three leading principal components in colour, and each channel in grey."""

import numpy as np
from PIL import Image

from mindone_tae.zoo.atomic_file import replacing

# Black and white are these percentiles: with the extremes a few outliers would leave everything else grey.
_DARKEST_PERCENT, _BRIGHTEST_PERCENT = 1, 99


def leading_components(latent):
    """The three directions of largest variance as red, green and blue.

    Args:
        latent: floating (zc, lt, lh, lw).

    Returns:
        uint8 (lt, lh, lw, 3), each component over its own range, and the share of the variance that each explains; with
        fewer than three channels the missing components are black and explain 0.
    """
    channels = len(latent)
    values = latent.reshape(channels, -1).astype(np.float64)
    values -= values.mean(axis=1, keepdims=True)
    variances, directions = np.linalg.eigh(values @ values.T / values.shape[1])  # ascending
    variances, directions = variances[::-1][:3].clip(0), directions[:, ::-1][:, :3]
    # An eigenvector's sign is arbitrary: the largest entry is made positive, so that a latent always looks the same.
    largest = np.abs(directions).argmax(axis=0)
    directions = directions * np.sign(directions[largest, np.arange(directions.shape[1])])
    total = values.var(axis=1).sum() or 1.0
    picture = np.zeros((3, *latent.shape[1:]), np.uint8)
    for component, direction in enumerate(directions.T):
        picture[component] = _grey((direction @ values).reshape(latent.shape[1:]))
    explained = [*(variances / total), 0.0, 0.0, 0.0][:3]
    return picture.transpose(1, 2, 3, 0), [float(share) for share in explained]


def channel_pictures(latent):
    """Each channel in grey, all over one range so that a weak channel looks weak.

    Args:
        latent: floating (zc, lt, lh, lw).

    Returns:
        uint8 (lt, zc, lh, lw).
    """
    centred = latent - latent.mean(axis=(1, 2, 3), keepdims=True)
    return _grey(centred).transpose(1, 0, 2, 3)


def _grey(values):
    low, high = np.percentile(values, [_DARKEST_PERCENT, _BRIGHTEST_PERCENT])
    return ((values - low) * (255 / max(high - low, 1e-12))).clip(0, 255).round().astype(np.uint8)


def write_latent_pictures(components_path, channels_path, latent):
    """Writes both as PNG: latent frames below one another, channels beside one another.

    Args:
        components_path: gets (lt * lh, lw) in colour.
        channels_path: gets (lt * lh, zc * lw) in grey.
        latent: floating (zc, lt, lh, lw).

    Returns:
        The shares of the variance that the three components explain.
    """
    zc, lt, lh, lw = latent.shape
    components, explained = leading_components(latent)
    _save(components_path, components.reshape(lt * lh, lw, 3))
    _save(channels_path, channel_pictures(latent).transpose(0, 2, 1, 3).reshape(lt * lh, zc * lw))
    return explained


def _save(path, pixels):
    with replacing(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG", optimize=True)
