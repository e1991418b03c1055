import numpy as np
import pytest

from mindone_tae.data.transforms import crop, crop_box, crop_resize, from_pixels, parse_size, to_pixels
from mindone_tae.zoo.errors import UserError


@pytest.mark.parametrize(
    "size, source, wanted",
    [
        ((64, 96), (480, 640), (64, 96)),
        ([64, 96], (480, 640), (64, 96)),
        (64, (480, 640), (64, 64)),
        ("256px", (480, 640), (256, 344)),  # 341.3, and 344 is the nearest multiple of 8
        ("256px", (1280, 720), (456, 256)),  # 455.1
        ("64px", (100, 100), (64, 64)),
    ],
)
def test_size_for_a_source(size, source, wanted):
    assert parse_size(size).of(*source) == wanted


@pytest.mark.parametrize("size", ["256", "px", "256 p", (64,), (64, 64, 3), (64.0, 64), True, None, [64, "64"]])
def test_size_of_another_form_is_refused(size):
    with pytest.raises(UserError, match=r"size is .*\[height, width\].*'256px'"):
        parse_size(size)


@pytest.mark.parametrize(
    "size, remedy", [((64, 90), "90 is not: use 88 or 96"), ("250px", "use 248 or 256"), (4, "use 8 or more")]
)
def test_side_that_is_no_multiple_of_8_gets_the_remedy(size, remedy):
    with pytest.raises(UserError, match=remedy):
        parse_size(size)


def test_centre_crop_is_the_largest_part_of_the_wanted_shape():
    assert crop_box(480, 640, (64, 64)) == (80.0, 0.0, 560.0, 480.0)
    assert crop_box(640, 480, (64, 128)) == (0.0, 200.0, 480.0, 440.0)
    assert crop_box(32, 48, (64, 96)) == (0.0, 0.0, 48.0, 32.0)


@pytest.mark.parametrize(
    "source, size, resized, box",
    [
        ((480, 640), (64, 64), (64, 85), (1.25, 0.0, 638.75, 480.0)),  # 85.3 pixels wide: the 85 in the middle
        ((640, 480), (64, 128), (170, 128), (0.0, 1.25, 480.0, 638.75)),
        ((32, 48), (64, 96), (64, 96), (0.0, 0.0, 48.0, 32.0)),
    ],
)
def test_drawn_crops_are_windows_of_one_resized_frame(source, size, resized, box):
    parts = [crop(*source, size, np.random.default_rng(seed)) for seed in range(2000)]
    assert {(part.resized, part.box, part.size) for part in parts} == {(resized, box, size)}
    spare = resized[0] - size[0], resized[1] - size[1]
    assert {part.corner for part in parts} == {
        (top, left) for top in range(spare[0] + 1) for left in range(spare[1] + 1)
    }
    assert crop(*source, size, np.random.default_rng(3)) == parts[3]


def test_drawn_crop_never_asks_for_more_than_there_is():
    rng = np.random.default_rng(0)
    for height, width, *size in rng.integers(1, 3000, (500, 4)).tolist():
        part = crop(height, width, tuple(size), rng)
        left, top, right, bottom = part.box
        assert left >= 0 and top >= 0 and right <= width and bottom <= height
        assert part.cut(np.empty((1, *part.resized, 0), np.uint8)).shape == (1, *size, 0)


def test_window_cut_out_of_a_resized_frame_is_the_box_resized_alone():
    frames = np.random.default_rng(0).integers(0, 255, (2, 24, 64, 3), dtype=np.uint8)
    part = crop(24, 64, (24, 24), np.random.default_rng(1))
    top, left = part.corner
    assert left and np.array_equal(
        part.cut(crop_resize(frames, part.resized, part.box)), frames[:, :, left : left + 24]
    )


def test_crop_that_is_not_drawn_is_the_centre():
    part = crop(480, 640, (64, 64))
    assert (part.box, part.resized, part.corner) == (crop_box(480, 640, (64, 64)), (64, 64), (0, 0))


def test_crop_takes_the_pixels_inside_the_box():
    frames = np.zeros((2, 16, 32, 3), np.uint8)
    frames[:, :, 8:24] = 200
    assert (crop_resize(frames, (16, 16), (8, 0, 24, 16)) == 200).all()
    assert (crop_resize(frames, (8, 8), (10, 0, 22, 16)) == 200).all()
    assert (crop_resize(frames, (16, 32), (0, 0, 32, 16)) == frames).all()


def test_resize_is_antialiased():
    stripes = np.zeros((1, 128, 128, 3), np.uint8)
    stripes[:, :, ::2] = 255
    small = crop_resize(stripes, (16, 16), (0, 0, 128, 128))
    assert np.abs(small.astype(int) - 127.5).max() < 8  # without it, stripes of 0 and 255 would be left


def test_pixels_become_channels_first_floats_in_range():
    frames = np.zeros((2, 3, 4, 3), np.uint8)
    frames[1, 2, 3] = (255, 0, 51)
    x = from_pixels(frames)
    assert x.shape == (3, 2, 3, 4) and x.dtype == np.float32 and x.flags.c_contiguous
    assert x[:, 1, 2, 3].tolist() == pytest.approx([1.0, -1.0, -0.6]) and x.max() == 1.0 and x.min() == -1.0


def test_pixels_survive_the_round_trip():
    frames = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    assert (to_pixels(from_pixels(frames)) == frames).all()


def test_to_pixels_rounds_and_clips():
    x = np.array([-1.5, -1.0, 0.0, 0.4 / 127.5, 0.6 / 127.5, 1.0, 7.0], np.float32).reshape(1, 1, 1, 7)
    assert to_pixels(x).reshape(-1).tolist() == [0, 0, 128, 128, 128, 255, 255]
    assert to_pixels(np.full((1, 1, 1, 1), 99.9 / 127.5 - 1)).item() == 100  # truncating gives 99
