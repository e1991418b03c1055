from collections import Counter

import numpy as np
import pytest

from mindone_tae.data.clips.sampling import FrameCounts, FrameRate, clip_indices
from mindone_tae.zoo.errors import UserError


def test_stride_takes_every_so_many_frames():
    assert clip_indices(100, 4, 3).tolist() == [0, 3, 6, 9]


def test_all_frames_are_all_frames():
    assert clip_indices(5, -1, 1, np.random.default_rng(0)).tolist() == [0, 1, 2, 3, 4]
    assert clip_indices(5, -1, 2).tolist() == [0, 2, 4]


def test_every_start_that_fits_is_drawn_evenly_and_none_else():
    rng = np.random.default_rng(0)
    starts = Counter(int(clip_indices(12, 4, 3, rng)[0]) for _ in range(3000))  # the clip spans 10 of 12 frames
    assert set(starts) == {0, 1, 2} and all(900 < count < 1100 for count in starts.values())


def test_one_frame_may_be_any_frame():
    rng = np.random.default_rng(0)
    assert {int(clip_indices(5, 1, 4, rng)[0]) for _ in range(200)} == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(
    "frames, clip, stride, wanted",
    [
        (4, 10, 1, [0, 1, 2, 3, 2, 1, 0, 1, 2, 3]),
        (4, 5, 2, [0, 2, 2, 0, 2]),
        (2, 5, 1, [0, 1, 0, 1, 0]),
        (1, 3, 1, [0, 0, 0]),
    ],
)
def test_short_video_plays_forwards_and_backwards(frames, clip, stride, wanted):
    assert clip_indices(frames, clip, stride, np.random.default_rng(0)).tolist() == wanted


def frequencies(counts, draws=4000):
    rng = np.random.default_rng(1)
    return {count: number / draws for count, number in Counter(counts.draw(rng) for _ in range(draws)).items()}


def test_plain_steps_have_sample_n_frames():
    assert frequencies(FrameCounts(16)) == {16: 1.0}


def test_images_come_at_their_ratio():
    assert frequencies(FrameCounts(16, "mixed_video_image", 0.2)) == pytest.approx({1: 0.2, 16: 0.8}, abs=0.02)


def test_random_lengths_share_the_rest_evenly():
    wanted = {1: 0.2, 16: 0.2, 8: 0.2, 4: 0.2, 2: 0.2}
    assert frequencies(FrameCounts(16, "mixed_video_random", 0.2)) == pytest.approx(wanted, abs=0.025)
    assert frequencies(FrameCounts(16, "mixed_video_random", 0.0, [8, 24])) == pytest.approx(
        {8: 0.5, 24: 0.5}, abs=0.025
    )


def test_image_only_steps_have_one_frame():
    assert frequencies(FrameCounts(16, "image_only")) == {1: 1.0} and FrameCounts(16, "image_only").default == 1


@pytest.mark.parametrize(
    "keywords, said",
    [
        ({"strategy": "mixed_video_imge"}, "must be one of .*use null.*did you mean 'mixed_video_image'"),
        ({"strategy": "mixed_video_image", "image_ratio": 1.5}, "mixed_image_ratio is 1.5; it is a probability"),
        ({"sample_n_frames": 0}, "sample_n_frames is 0; it must be from 1 to"),
        ({"sample_n_frames": 10**9}, "sample_n_frames is 1000000000; it must be from 1 to"),
        ({"strategy": "mixed_video_random", "lengths": [10**9]}, "mixed_lengths is .*whole numbers from 1"),
        ({"strategy": "mixed_video_random", "lengths": [8, 0]}, "mixed_lengths is .*whole numbers from 1"),
        ({"strategy": "mixed_video_random", "lengths": []}, "mixed_lengths is"),
        ({"strategy": "mixed_video_random", "sample_n_frames": -1}, "give mixed_lengths"),
        ({"lengths": [8]}, "only mixed_strategy 'mixed_video_random' uses it"),
    ],
)
def test_bad_keyword_is_refused_with_the_remedy(keywords, said):
    with pytest.raises(UserError, match=said):
        FrameCounts(**keywords)


@pytest.mark.parametrize(
    "fps, wanted, indices",
    [
        (30.0, 10.0, [0, 3, 6, 9, 12]),
        (25.0, 10.0, [0, 3, 5, 8, 10]),  # the frames nearest to every tenth of a second
        (29.97, 30.0, [0, 1, 2, 3, 4]),
        (0.0, 24.0, [0, 1, 2, 3, 4]),
    ],
)
def test_target_rate_takes_the_frames_nearest_in_time(fps, wanted, indices):
    assert clip_indices(100, 5, FrameRate(1, wanted).stride(fps)).tolist() == indices


def test_video_slower_than_the_target_rate_is_refused():
    with pytest.raises(ValueError, match="15 fps, and sample_fps 24 would show frames twice"):
        FrameRate(1, 24.0).stride(15.0)


def test_whole_video_at_a_target_rate_ends_within_it():
    assert clip_indices(7, -1, 2.5).tolist() == [0, 3, 5]
    assert clip_indices(6, -1, 2.5).tolist() == [0, 3, 5]


def test_several_clips_of_a_video_share_its_length_out():
    assert [clip_indices(100, 4, 1, None, clip, 3)[0] for clip in range(3)] == [0, 48, 96]
    rng = np.random.default_rng(0)
    starts = [[int(clip_indices(100, 5, 1, rng, clip, 2)[0]) for _ in range(300)] for clip in range(2)]
    assert max(starts[0]) < 48 <= min(starts[1]) and max(starts[1]) == 95 and min(starts[0]) == 0


def test_several_clips_of_a_short_video_stay_within_it():
    rng = np.random.default_rng(0)
    assert {int(clip_indices(6, 5, 1, rng, clip, 4)[0]) for clip in range(4) for _ in range(20)} == {0, 1}


@pytest.mark.parametrize(
    "keywords, said",
    [
        ({"sample_stride": 0}, "sample_stride is 0"),
        ({"sample_fps": 0.0}, "sample_fps is 0"),
        ({"sample_stride": 2, "sample_fps": 8.0}, "only one"),
    ],
)
def test_bad_rate_is_refused(keywords, said):
    with pytest.raises(UserError, match=said):
        FrameRate(**keywords)
