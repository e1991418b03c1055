"""Whole files as arrays that models take, and back; expected pixels by Pillow and PyAV."""

import av
import numpy as np
import pytest
from PIL import Image

from mindone_tae.data import UnreadableVideo, read_video, write_video
from mindone_tae.zoo import UserError


@pytest.fixture
def image(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (21, 30, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return tmp_path / "a.png", pixels


def test_without_a_size_the_middle_is_kept_pixel_by_pixel(image):
    path, pixels = image
    x, fps = read_video(path)
    assert fps == 0.0 and x.shape == (1, 3, 1, 16, 24)
    np.testing.assert_allclose(x[0, :, 0].transpose(1, 2, 0), pixels[2:18, 3:27] / 127.5 - 1, atol=1e-6)


@pytest.mark.parametrize("size, shape", [(16, (16, 16)), ((8, 32), (8, 32)), ("16px", (16, 24))])
def test_a_size_is_as_recipes_write_it(image, size, shape):
    assert read_video(image[0], size)[0].shape == (1, 3, 1, *shape)


def test_floats_bytes_and_batches_of_one_write_the_same_video(tmp_path):
    frames = np.random.default_rng(1).integers(0, 256, (3, 16, 24, 3), np.uint8)
    floats = (frames.transpose(3, 0, 1, 2) / 127.5 - 1).astype(np.float32)
    for name, x in {"a": frames, "b": list(frames), "c": floats, "d": floats[None]}.items():
        write_video(tmp_path / f"{name}.gif", x, 10)
    assert len({(tmp_path / f"{name}.gif").read_bytes() for name in "abcd"}) == 1
    write_video(tmp_path / "a.mp4", floats, 10)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert len(list(container.decode(video=0))) == 3


@pytest.mark.parametrize(
    "shape, message",
    [
        ((2, 3, 1, 8, 8), "so 2 videos; a file holds one"),
        ((1, 8, 8, 3), "floats are written from"),
        ((3, 8, 8), "reorder the axes"),
    ],
)
def test_other_shapes_are_refused_and_leave_no_file(shape, message, tmp_path):
    with pytest.raises(UserError, match=message):
        write_video(tmp_path / "a.mp4", np.zeros(shape, np.float32), 10)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_read_is_told(image, tmp_path):
    with pytest.raises(UnreadableVideo):
        read_video(tmp_path / "none.mp4")
    with pytest.raises(UserError, match="num_frames is 2, and .* has 1 frames"):
        read_video(image[0], num_frames=2)
    Image.new("RGB", (6, 40)).save(tmp_path / "b.png")
    with pytest.raises(UserError, match="a side must be at least 8: give a size"):
        read_video(tmp_path / "b.png")
