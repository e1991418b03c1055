"""Bilinear resizing against SciPy's interpolation at the same places, and by hand."""

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from mindone_tae.metrics.rfvd.resizing import resize_bilinear

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    "before, after", [((10, 7), (24, 24)), ((64, 48), (17, 20)), ((5, 5), (5, 5)), ((1, 3), (4, 2))], ids=str
)
def test_equals_interpolation_at_the_new_pixels_centres(before, after):
    clip = RNG.uniform(-1, 1, (2, 3, *before))
    places = np.meshgrid(*((np.arange(n) + 0.5) * m / n - 0.5 for n, m in zip(after, before)), indexing="ij")
    expected = [[map_coordinates(frame, places, order=1, mode="nearest") for frame in channel] for channel in clip]
    found = resize_bilinear(clip, after)
    assert found.dtype == np.float32 and found.shape == (2, 3, *after)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_two_pixels_made_four_are_quarters_and_ends():
    np.testing.assert_allclose(resize_bilinear(np.array([[0.0, 1.0]]), (1, 4)), [[0, 0.25, 0.75, 1]])
