import numpy as np
import pytest
from skimage.color import rgb2yiq

from mindone_tae.data.clips.augmentation import Augmentation
from mindone_tae.zoo import UserError


def clip(seed=0):
    """float32 (3, 2, 4, 5), values that no change below takes out of its range."""
    return np.random.default_rng(seed).uniform(-0.6, -0.2, (3, 2, 4, 5)).astype(np.float32)


def test_exposure_multiplies_light_by_a_power_of_two_within_its_stops():
    gains = []
    for seed in range(20):
        light = (Augmentation(exposure=1.0).colour(clip(), np.random.default_rng(seed)) + 1) / (clip() + 1)
        assert np.ptp(light) < 1e-5
        gains.append(np.log2(light.mean()))
    assert -1 <= min(gains) < -0.5 and 0.5 < max(gains) <= 1


def test_contrast_scales_distances_from_middle_grey_and_gamma_is_a_power():
    y = Augmentation(contrast=0.5).colour(clip(), np.random.default_rng(1))
    assert np.ptp(y / clip()) < 1e-5 and 0.5 <= (y / clip()).mean() <= 1.5  # middle grey is 0

    y = Augmentation(gamma=0.5).colour(clip(), np.random.default_rng(1))
    powers = np.log((y + 1) / 2) / np.log((clip() + 1) / 2)
    assert np.ptp(powers) < 1e-3 and 2**-0.5 <= powers.mean() <= 2**0.5


def test_saturation_keeps_luma_and_hue_keeps_grey():
    def luma(x):
        return rgb2yiq(np.moveaxis((x.astype(np.float64) + 1) / 2, 0, -1))[..., 0]

    y = Augmentation(saturation=0.5).colour(clip(), np.random.default_rng(2))
    assert np.allclose(luma(y), luma(clip()), atol=1e-3)
    assert not np.allclose(y, clip(), atol=1e-2)

    grey = np.repeat(clip()[:1], 3, axis=0)
    assert np.allclose(Augmentation(hue=180, saturation=0.9).colour(grey, np.random.default_rng(3)), grey, atol=1e-5)
    assert not np.allclose(Augmentation(hue=180).colour(clip(), np.random.default_rng(3)), clip(), atol=1e-2)


def test_frames_of_a_clip_change_alike_and_values_stay_in_range():
    still = np.repeat(np.random.default_rng(4).uniform(-1, 1, (3, 1, 4, 5)), 2, axis=1).astype(np.float32)
    y = Augmentation(3, 1, 1, 180, 1).colour(still, np.random.default_rng(5))
    assert np.array_equal(y[:, 0], y[:, 1]) and y.dtype == np.float32
    assert y.min() >= -1 and y.max() <= 1


def test_nothing_asked_is_nothing_drawn():
    rng, untouched = np.random.default_rng(6), np.random.default_rng(6)
    off = Augmentation()
    assert (
        off.colour(clip(), rng) is not None
        and off.draw_scale(rng) == 1.0
        and off.draw_speed(rng, lambda speed: True) == 1
    )
    assert rng.random() == untouched.random()


def test_only_speeds_that_fit_the_video_are_drawn():
    rng, fast = np.random.default_rng(7), Augmentation(speeds=(1, 2, 4))
    assert {fast.draw_speed(rng, lambda speed: speed <= 2) for _ in range(50)} == {1, 2}
    assert {Augmentation(speeds=(2, 4)).draw_speed(rng, lambda speed: False) for _ in range(5)} == {1}


@pytest.mark.parametrize(
    "keywords, error",
    [
        ({"exposure": -1}, "augment_exposure is -1; it must be from 0 to 8"),
        ({"hue": float("inf")}, "augment_hue is inf; it must be from 0 to 180"),
        ({"contrast": float("nan")}, "augment_contrast is nan"),
        ({"scales": (0.5,)}, "augment_scales is \\[0.5\\]; it must be factors from 1"),
        ({"speeds": (1.5,)}, "augment_speeds is \\[1.5\\]; it must be whole factors"),
    ],
)
def test_numbers_out_of_range_are_refused(keywords, error):
    with pytest.raises(UserError, match=error):
        Augmentation(**keywords)
