"""Blending along one axis, against weights worked out by hand and against what must hold for any tiling."""

import numpy as np
import pytest

from mindone_tae.models.tiling.blending import blend_tiles, gather, ramp

TILINGS = [(tile, overlap) for tile in (1, 2, 3, 4, 5, 8) for overlap in range(tile)]


def tiles_and_weights(length, tile, overlap, scale=1):
    """Where the tiles lie, and the weight (tiles, length * scale) each has at every output position."""
    starts, positions = [], np.arange(length)

    def note(part):
        starts.append((int(part[0]), len(part)))
        return np.zeros(len(part) * scale)

    list(blend_tiles([positions], note, 0, tile, overlap, 1, scale))
    weights = []
    for wanted in range(len(starts)):
        numbers = iter(range(len(starts)))

        def indicate(part):
            return np.full(len(part) * scale, float(next(numbers) == wanted))

        weights.append(np.concatenate(list(blend_tiles([positions], indicate, 0, tile, overlap, 1, scale))))
    return starts, np.array(weights)


@pytest.mark.parametrize("tile, overlap", TILINGS)
def test_weights_sum_to_one_everywhere(tile, overlap):
    for length in range(1, 4 * tile + 2):
        for scale in (1, 3):
            _, weights = tiles_and_weights(length, tile, overlap, scale)
            assert weights.shape[1] == length * scale
            assert weights.min() >= 0
            np.testing.assert_allclose(weights.sum(0), 1, atol=1e-6)


@pytest.mark.parametrize("tile, overlap", TILINGS)
def test_tiles_have_one_length_and_stay_inside(tile, overlap):
    for length in range(tile, 4 * tile + 2):
        starts, _ = tiles_and_weights(length, tile, overlap)
        assert {size for _, size in starts} == {tile}
        assert starts[0][0] == 0 and starts[-1][0] == length - tile
        steps = np.diff([start for start, _ in starts])
        assert all(steps[:-1] == tile - overlap) and all(steps[-1:] <= tile - overlap)


def test_weights_are_a_linear_ramp_where_the_last_tile_would_have_stood():
    starts, weights = tiles_and_weights(length=11, tile=6, overlap=3)
    assert starts == [(0, 6), (3, 6), (5, 6)]
    up = np.array([1, 3, 5]) / 6
    np.testing.assert_allclose(weights[0], [1, 1, 1, *up[::-1], 0, 0, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(weights[1], [0, 0, 0, *up, *up[::-1], 0, 0], atol=1e-6)
    np.testing.assert_allclose(weights[2], [0, 0, 0, 0, 0, 0, *up, 1, 1], atol=1e-6)


@pytest.mark.parametrize("length", [1, 2, 5, 16])
def test_ramp_is_symmetric(length):
    np.testing.assert_allclose(ramp(length) + ramp(length)[::-1], 1, atol=1e-6)
    assert np.all(np.diff(ramp(length)) > 0) and 0 < ramp(length)[0]


def test_tiles_that_agree_blend_to_themselves_exactly():
    values = np.random.default_rng(0).standard_normal((2, 50, 3)).astype(np.float32)
    joined = np.concatenate(list(blend_tiles([values], lambda x: x, 1, 8, 3)), 1)
    np.testing.assert_array_equal(joined, values)


def test_input_is_padded_to_a_whole_position_by_repeating_the_last():
    seen = []

    def first_of_four(part):
        seen.append(part.copy())
        return part[::4]

    joined = np.concatenate(list(blend_tiles([np.arange(18)], first_of_four, 0, 2, 0, 4, 1)))
    np.testing.assert_array_equal(seen[-1], [12, 13, 14, 15, 16, 17, 17, 17])
    np.testing.assert_array_equal(joined, [0, 4, 8, 12, 16])


@pytest.mark.parametrize("tile, overlap", [(4, 0), (4, 2), (5, 1), (5, 4)])
def test_chunk_lengths_change_nothing(tile, overlap):
    rng = np.random.default_rng(0)
    for length in range(1, 30):
        values = rng.standard_normal(length)

        def run(part):
            return (part - part.mean()).repeat(2)

        whole = np.concatenate(list(blend_tiles([values], run, 0, tile, overlap, 1, 2)))
        for chunk in (1, 3, 7):
            chunks = [values[i : i + chunk] for i in range(0, length, chunk)]
            streamed = np.concatenate(list(blend_tiles(chunks, run, 0, tile, overlap, 1, 2)))
            np.testing.assert_array_equal(streamed, whole)


def test_what_is_final_comes_before_the_next_chunk_is_read():
    read = []

    def chunks():
        for i in range(6):
            read.append(i)
            yield np.full(2, float(i))

    pieces = blend_tiles(chunks(), lambda x: x, 0, 4, 2)
    lengths = []
    for piece in pieces:
        lengths.append((len(piece), len(read)))
    assert lengths == [(2, 2), (2, 3), (2, 4), (2, 5), (2, 6), (2, 6)]


def test_gather_takes_no_more_pieces_than_it_needs():
    taken = []

    def pieces():
        for i in range(5):
            taken.append(i)
            yield np.full((1, 3), i)

    np.testing.assert_array_equal(gather(pieces(), 1, 5), [[0, 0, 0, 1, 1]])
    assert taken == [0, 1]


@pytest.mark.parametrize("tile, overlap", TILINGS)
def test_ends_of_results_that_are_not_wanted_may_be_left_out(tile, overlap):
    rng = np.random.default_rng(0)
    for length in range(1, 4 * tile + 2):
        x = rng.standard_normal(length)
        expected = gather(blend_tiles([x], np.cumsum, 0, tile, overlap), 0, length)
        for wanted in range(1, length + 1):
            pieces = blend_tiles([x], lambda part, wanted=wanted: np.cumsum(part)[:wanted], 0, tile, overlap)
            np.testing.assert_array_equal(gather(pieces, 0, wanted), expected[:wanted])
