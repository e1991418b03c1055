"""Rates and gaps from timestamps, against numbers worked out by hand."""

from fractions import Fraction

import pytest

from mindone_tae.data.readers.timing import PacketTime, first_hole, mean_rate, recordings

MILLISECOND = Fraction(1, 1000)


def packets(times, durations, keyframes=()):
    return [PacketTime(time, time, length, time in keyframes) for time, length in zip(times, durations)]


@pytest.mark.parametrize(
    "times, durations, declared, rate",
    [
        (range(0, 400, 40), [40] * 10, [], 25.0),
        (
            [0, 33, 67, 100, 133],
            [33] * 5,
            [Fraction(30)],
            30.0,
        ),  # rounded to milliseconds: the declared rate is more exact
        (
            [0, 33, 67, 100, 133],
            [33] * 5,
            [Fraction(60)],
            5 / 0.166,
        ),  # and one that is no such rounding is not believed
        (
            [0, 100, 167, 317],
            [33] * 4,
            [Fraction(30)],
            3 / 0.317,
        ),  # durations that only repeat a rate are not believed either
        ([0, 500, 540, 580], [500, 40, 40, 40], [], 4 / 0.62),
        ([0, 20, 40], [0, 0, 0], [], 50.0),
        ([7], [40], [], 25.0),
        ([7], [0], [Fraction(30)], 0.0),
        ([], [], [], 0.0),
    ],
)
def test_mean_rate_is_count_over_the_time_shown(times, durations, declared, rate):
    parts = recordings(packets(times, durations), MILLISECOND, joined=False) if times else []
    assert mean_rate(parts, MILLISECOND, declared) == pytest.approx(rate)


def test_recordings_that_were_joined_are_told_by_their_clocks():
    again = [*range(0, 400, 40), *range(0, 400, 40)]
    later = [*range(0, 400, 40), *range(90000, 90400, 40)]
    for times, joined, parts in ((again, True, 2), (again, False, 2), (later, True, 2), (later, False, 1)):
        found = recordings(packets(times, [40] * 20, keyframes=[0, 90000]), MILLISECOND, joined)
        assert len(found) == parts
        assert parts == 1 or mean_rate(found, MILLISECOND, []) == 25.0


def test_times_that_run_back_at_reordered_frames_are_one_recording():
    times = [0, 120, 40, 80, 240, 160, 200]
    assert recordings(packets(times, [40] * 7, keyframes=[0]), MILLISECOND, True) == [
        packets(sorted(times), [40] * 7, keyframes=[0])
    ]


def test_gap_before_a_keyframe_is_a_cut_and_no_hole():
    times = [*range(0, 400, 40), *range(520, 800, 40)]
    assert first_hole(packets(times, [40] * 17)) == 9
    assert first_hole(packets(times, [40] * 17, keyframes=[520])) is None
