"""Check that an inflated TAE computes the same as its image VAE."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import mindspore as ms

# Not square, so that swapped height and width would be noticed.
_LATENT_SIZE = (4, 6)
_STILL_FRAMES = 9
# Largest difference, relative to the largest value, that float32 rounding can cause.
_TOLERANCE = 1e-4


def check_inflation(tae, vae, report: Callable[[str], None]) -> None:
    """Compares both on generated images, as one frame and as a still video.

    The TAE's mean and log-variance must be the image VAE's at every latent frame, its reconstruction at every frame.

    Args:
        tae: TemporalAutoencoder.
        vae: SD3VAE it was inflated from.
        report: takes lines of text.

    Raises:
        RuntimeError: they differ.
    """
    images = generated_images(2, vae.in_channels, *(side * 2**vae.halvings for side in _LATENT_SIZE))
    _, mean, logvar = vae.encode(images)
    recon = vae.decode(mean)
    differences = []
    for name, frames in (("one frame", 1), (f"a still video of {_STILL_FRAMES} frames", _STILL_FRAMES)):
        video = ms.Tensor(np.repeat(images.asnumpy(), frames, axis=2))
        _, video_mean, video_logvar = tae.encode(video)
        found = [
            _difference(video_mean, mean),
            _difference(video_logvar, logvar),
            _difference(tae.decode(video_mean), recon),
        ]
        report(
            f"check, {name}: latent frames {video_mean.shape[2]}; largest difference from the image VAE, relative: "
            f"mean {found[0]:.1e}, log-variance {found[1]:.1e}, reconstruction {found[2]:.1e}"
        )
        differences += found
    worst = max(differences)
    if not worst <= _TOLERANCE:  # so written, NaN fails
        raise RuntimeError(
            f"the inflated TAE differs from its image VAE by {worst:.1e}, more than {_TOLERANCE:.0e}: do not use it"
        )
    report("check passed: the TAE is the image VAE at every frame")


def generated_images(count: int, channels: int, height: int, width: int) -> ms.Tensor:
    """Smooth colours with some noise: (count, channels, 1, height, width) in [-1, 1], the same at every call."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width] * (2 * np.pi / width)
    frequencies = rng.integers(1, 4, (2, count, channels, 1, 1))
    phases = rng.uniform(0, 2 * np.pi, (count, channels, 1, 1))
    waves = np.sin(frequencies[0] * x + frequencies[1] * y + phases) * 0.8
    images = np.clip(waves + 0.1 * rng.standard_normal(waves.shape), -1, 1)
    return ms.Tensor(images[:, :, None].astype(np.float32))


def _difference(video, image):
    """Largest difference of any frame from the one image frame, relative to the image's largest value or 1."""
    image = image.asnumpy()
    return float(np.max(np.abs(video.asnumpy() - image)) / max(np.max(np.abs(image)), 1.0))
