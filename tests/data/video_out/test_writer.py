import os
import struct

import av
import numpy as np
import pytest
from PIL import Image

from mindone_tae.data.readers.opening import open_video
from mindone_tae.data.video_out.sheet import contact_sheet, write_contact_sheet
from mindone_tae.data.video_out.writer import VideoWriter, side_by_side, write_video
from mindone_tae.zoo.errors import UserError


def gradient(frames, height, width):
    """A smooth picture that brightens from frame to frame, uint8 (t, h, w, 3)."""
    y, x = np.mgrid[:height, :width]
    base = np.stack([x * 200 // width, y * 200 // height, np.full_like(x, 60)], axis=-1)
    return np.stack([base + 5 * number for number in range(frames)]).astype(np.uint8)


def decoded(path):
    """Frames and rate of a file, read by PyAV alone."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]), stream.average_rate


@pytest.mark.parametrize("name, worst", [("a.mp4", 6), ("a.gif", 16)])
def test_written_video_has_the_frames_it_was_given(tmp_path, name, worst):
    frames = gradient(10, 48, 64)
    write_video(tmp_path / "new" / name, frames, fps=12.5)
    read, fps = decoded(tmp_path / "new" / name)
    assert read.shape == frames.shape and float(fps) == pytest.approx(12.5, rel=0.01)
    assert np.abs(read.astype(int) - frames).mean() < worst / 3
    assert os.listdir(tmp_path / "new") == [name]


def test_mp4_says_its_colours_and_they_are_so(tmp_path):
    """BT.709 of limited range, in the stream and in the container's nclx box, at any size; checked by its formulas."""
    for height, width in ((64, 96), (720, 1280)):
        levels = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200], [128, 128, 128]], np.uint8)
        frame = levels.repeat(width // 4, axis=0)[None].repeat(height, axis=0)
        write_video(tmp_path / "a.mp4", [frame] * 3, fps=10, crf=2)
        assert b"nclx" + struct.pack(">HHHB", 1, 1, 1, 0) in (tmp_path / "a.mp4").read_bytes()
        with av.open(str(tmp_path / "a.mp4")) as container:
            stream = container.streams.video[0]
            decoded_frame = next(container.decode(stream))
            context = stream.codec_context
            assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)
            assert stream.sample_aspect_ratio == 1
        planes = decoded_frame.to_ndarray()
        for patch, (red, green, blue) in enumerate(levels.astype(float)):
            x = patch * width // 4 + width // 8
            y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
            luma = planes[height // 2, x]
            chroma = [planes[height + half * (height // 4) + height // 8, x // 2] for half in (0, 1)]
            wanted = 16 + 219 * y / 255, 128 + 224 * (blue - y) / 1.8556 / 255, 128 + 224 * (red - y) / 1.5748 / 255
            assert np.abs(np.subtract((luma, *chroma), wanted)).max() <= 1.5


def test_five_generations_do_not_drift(tmp_path):
    source = frames = (
        np.random.default_rng(0).integers(30, 220, (4, 6, 8, 3)).astype(np.uint8).repeat(16, axis=1).repeat(16, axis=2)
    )
    for _ in range(5):
        write_video(tmp_path / "a.mp4", frames, fps=10, crf=4)
        with open_video(tmp_path / "a.mp4") as video:
            frames = video.read(range(len(video)))
    drift = frames.astype(float) - source
    assert np.abs(drift.mean(axis=(0, 1, 2))).max() < 0.5


def test_fast_video_becomes_a_gif_that_plays_at_fifty(tmp_path, caplog):
    write_video(tmp_path / "a.gif", gradient(12, 16, 16), fps=120)
    assert "plays at 50 frames a second, not 120" in caplog.text
    read, fps = decoded(tmp_path / "a.gif")
    assert len(read) == 12 and fps == 50


@pytest.mark.parametrize("name", ["2024-01-01T12:30:00.mp4", "take:2.gif"])
def test_a_relative_name_with_a_colon_is_a_file(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write_video(name, gradient(3, 16, 16), fps=10)
    assert os.listdir() == [name] and len(decoded(tmp_path / name)[0]) == 3


def test_film_rates_are_kept_exactly(tmp_path):
    write_video(tmp_path / "a.mp4", gradient(5, 32, 32), fps=29.97002997)
    assert decoded(tmp_path / "a.mp4")[1] == pytest.approx(30000 / 1001)


def test_odd_sides_get_one_more_line(tmp_path):
    frames = gradient(3, 33, 47)
    write_video(tmp_path / "a.mp4", frames, fps=10)
    read, _ = decoded(tmp_path / "a.mp4")
    assert read.shape == (3, 34, 48, 3)
    assert np.abs(read[:, :33, :47].astype(int) - frames).mean() < 3


@pytest.mark.parametrize("name", ["a.mp4", "a.gif"])
def test_failure_leaves_nothing_and_keeps_what_was_there(tmp_path, name):
    (tmp_path / name).write_bytes(b"the old one")
    with pytest.raises(RuntimeError), VideoWriter(tmp_path / name, fps=10) as writer:
        writer.write(gradient(1, 32, 32)[0])
        raise RuntimeError("power cut")
    assert os.listdir(tmp_path) == [name] and (tmp_path / name).read_bytes() == b"the old one"


def test_nothing_is_under_the_name_until_the_end(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", fps=10) as writer:
        writer.write(gradient(1, 32, 32)[0])
        assert not (tmp_path / "a.mp4").exists()
    assert (tmp_path / "a.mp4").stat().st_size > 0


@pytest.mark.parametrize(
    "name, fps, frames, said",
    [
        ("a.avi", 10, gradient(1, 32, 32), "written as .mp4 or .gif"),
        ("a.mp4", 0, gradient(1, 32, 32), "fps is 0; it must be from 0.001 to 1000"),
        ("a.mp4", 10, [], "needs at least one"),
        ("a.mp4", 10, gradient(1, 32, 32).astype(np.float32), "floats are written from .*reorder the axes"),
        ("a.mp4", 10, [*gradient(1, 32, 32), *gradient(1, 32, 40)], "must be .*32, 32.* like the first"),
    ],
)
def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path, name, fps, frames, said):
    with pytest.raises(UserError, match=said):
        write_video(tmp_path / name, frames, fps)
    assert os.listdir(tmp_path) == []


def test_side_by_side_keeps_both(tmp_path):
    left, right = gradient(2, 16, 24), 255 - gradient(2, 16, 24)
    both = side_by_side(left, right, gap_pixels=4)
    assert both.shape == (2, 16, 52, 3)
    assert (both[:, :, :24] == left).all() and (both[:, :, 28:] == right).all() and (both[:, :, 24:28] == 255).all()
    with pytest.raises(UserError, match="one shape"):
        side_by_side(left, right[:1])


def test_contact_sheet_shows_every_row_at_the_same_moments_enlarged(tmp_path):
    shades = np.arange(9, dtype=np.uint8)[:, None, None, None] * 20 + 40
    rows = [("source", np.tile(shades, (1, 16, 16, 3))), ("reconstruction", np.tile(shades + 3, (1, 16, 16, 3)))]
    sheet = np.asarray(contact_sheet(rows, columns=3))
    for row in (0, 3):
        for frame in (0, 4, 8):  # the first, the middle and the last of nine
            shade = frame * 20 + 40 + row
            assert (sheet == shade).all(axis=-1).sum() >= 144 * 144  # a tile of 16 pixels, nine times as large
    write_contact_sheet(tmp_path / "sheet.png", rows, columns=3)
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.format == "PNG" and np.array_equal(np.asarray(image), sheet)
    assert os.listdir(tmp_path) == ["sheet.png"]


def test_contact_sheet_refuses_rows_of_different_shapes():
    with pytest.raises(UserError, match="rows of frames of one shape"):
        contact_sheet([("a", gradient(2, 16, 16)), ("b", gradient(3, 16, 16))])
    with pytest.raises(UserError, match="none"):
        contact_sheet([])
