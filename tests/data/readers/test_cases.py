"""Awkward files that people have, against what ffmpeg's command shows of them.

cases/truth.npz holds for each video the means of its frames over 4 x 6 cells, uint8 (t, 4, 6, 3), as ffmpeg decoded it.
"""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mindone_tae.data.readers.base import UnreadableVideo
from mindone_tae.data.readers.opening import open_video

CASES = Path(__file__).with_name("cases")
# Frames a second by the timestamps: count / (last - first + duration of the last); of a bare stream a guess.
RATES = {
    "x264_open.mkv": 30.0,
    "cut_x264_open_1.2.mp4": 30.0,
    "cut_x265_default_1.2.mkv": 30.0,
    "chrome.webm": 17.1,
    "opengop.avi": 30.0,
    "raw.mp4": 30.0,
    "concat.ts": 30.0,
    "hdr_pq.mp4": 30.0,
    "hdr_hlg.mp4": 30.0,
    "f120.mp4": 120.0,
    "cover_first.mkv": 30.0,  # a picture without a flag, then the video; truth of the video
    "cropped.mp4": 30.0,  # at the left and the top
    "cut_mpeg2.mkv": 30.0,  # several packets at time 0
    "cut_x264_open_1.2.mkv": 30.0,  # begins with an error that changes no frame
    "joined.mkv": 30.0,  # by cat
    "refresh.mp4": 30.0,  # keyframes that show a part of the picture
}


@pytest.fixture(scope="module")
def truth():
    with np.load(CASES / "truth.npz") as grids:
        return {name: grids[name].astype(float) for name in grids.files}


def cells(frames):
    t, h, w, c = frames.shape
    return frames.reshape(t, 4, h // 4, 6, w // 6, c).mean(axis=(2, 4))


@pytest.mark.parametrize("name", RATES)
def test_frames_and_rate_are_those_that_ffmpeg_shows_in_any_order(truth, name):
    with open_video(CASES / name) as video:
        frames = video.read(range(len(video)))
        assert len(video) == len(truth[name])
        assert np.abs(cells(frames) - truth[name]).max() < 4
        assert video.fps == pytest.approx(RATES[name], rel=2e-3)
        assert video.fps_is_guess == (name == "raw.mp4")
        order = np.random.default_rng(0).permutation(len(video)).tolist()
        assert all(np.array_equal(video.read([number])[0], frames[number]) for number in order)


@pytest.mark.parametrize("name", RATES)
def test_decord_gives_the_same_frames_or_leaves_the_file(truth, name):
    pytest.importorskip("decord")
    try:
        with open_video(CASES / name, "decord") as video:
            order = np.random.default_rng(0).permutation(len(video)).tolist()
            found = [cells(video.read([number]))[0] for number in order]
    except UnreadableVideo as error:
        assert "use reader auto or pyav" in error.reason or "decord cannot open it" in error.reason
        return
    assert np.abs(np.stack(found) - truth[name][order]).max() < 4


@pytest.mark.parametrize("name, transfer", [("hdr_pq.mp4", "pq"), ("hdr_hlg.mp4", "hlg"), ("x264_open.mkv", "")])
def test_transfer_characteristic_is_told(name, transfer):
    for timeout_s in (None, 30):
        with open_video(CASES / name, timeout_s=timeout_s) as video:
            assert video.transfer == transfer


def test_animation_has_the_mean_rate_of_its_frames(tmp_path):
    pictures = [Image.fromarray(np.full((16, 24, 3), 20 * number, np.uint8)) for number in range(8)]
    pictures[0].save(
        tmp_path / "a.webp", save_all=True, append_images=pictures[1:], duration=[500] + 7 * [40], lossless=True
    )
    with open_video(tmp_path / "a.webp") as video:
        assert len(video) == 8 and video.fps == pytest.approx(8 / 0.78)


def test_animation_without_durations_has_a_guessed_rate(tmp_path):
    pictures = [Image.fromarray(np.full((16, 24, 3), 20 * number, np.uint8)) for number in range(8)]
    pictures[0].save(tmp_path / "a.webp", save_all=True, append_images=pictures[1:], duration=0, lossless=True)
    with open_video(tmp_path / "a.webp") as video:
        assert len(video) == 8 and video.fps == 10.0 and video.fps_is_guess


def test_colours_of_a_profile_become_srgb():
    """Adobe RGB (1998): exponent 563/256, its own green; both have the white of D65."""
    with Image.open(CASES / "adobergb.png") as image:
        linear = (np.asarray(image.convert("RGB")) / 255.0) ** (563 / 256)
    to_xyz = np.array([[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]])
    to_srgb = np.array([[3.24045, -1.53714, -0.49853], [-0.96927, 1.87601, 0.04156], [0.05564, -0.20403, 1.05723]])
    linear = np.clip(linear @ to_xyz.T @ to_srgb.T, 0, 1)
    wanted = 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    with open_video(CASES / "adobergb.png") as video:
        off = np.abs(video.read([0])[0] - wanted)
    assert off.mean() < 1 and np.quantile(off, 0.99) < 3
