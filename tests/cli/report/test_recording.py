"""Data recorded of clips: exact frames, figures by frame, the latent's pictures."""

import json

import numpy as np
import pytest
from grey_reports import Eighths, record
from PIL import Image
from skimage.metrics import structural_similarity

from mindone_tae.cli.report import recording
from mindone_tae.cli.report.frames_file import read_frames, write_frames
from mindone_tae.cli.report.latent_pictures import channel_pictures, leading_components
from mindone_tae.cli.report.recording import ClipRecorder, error_levels, frame_figures
from mindone_tae.zoo import UserError


def test_frames_come_back_as_they_were_whatever_their_size(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (5, 9, 15, 3), np.uint8)
    write_frames(tmp_path / "a.mkv", frames)
    assert np.array_equal(read_frames(tmp_path / "a.mkv"), frames)


def test_a_damaged_frames_file_is_told(tmp_path):
    (tmp_path / "a.mkv").write_bytes(b"no video")
    with pytest.raises(UserError, match="a.mkv cannot be read .* run the command again"):
        read_frames(tmp_path / "a.mkv")


def test_a_strangers_frames_file_opens_no_other_file(tmp_path):
    write_frames(tmp_path / "secret.mkv", np.zeros((2, 8, 8, 3), np.uint8))
    (tmp_path / "a.mkv").write_text("ffconcat version 1.0\nfile secret.mkv\n")
    with pytest.raises(UserError, match="a.mkv cannot be read"):
        read_frames(tmp_path / "a.mkv")


def test_a_batch_that_is_open_when_the_page_is_full_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "MOST_CLIPS", 2)
    record(tmp_path, {"a.mp4": 2, "b.mp4": 2, "c.mp4": 2})
    clips = json.loads((tmp_path / "report/report.json").read_text())["clips"]
    assert [clip["name"] for clip in clips] == ["a.mp4", "b.mp4"]
    assert len(list((tmp_path / "report/clips").iterdir())) == 2


def test_figures_of_each_frame_are_those_of_numpy_and_scikit_image():
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, (3, 4, 16, 24)).astype(np.float32)
    recon = (x + rng.normal(0, 0.1, x.shape)).astype(np.float32)
    one, other = (np.clip((array.astype(np.float64) + 1) / 2, 0, 1) for array in (x, recon))
    found = frame_figures(recon, x)
    assert found["psnr"] == pytest.approx(
        [10 * np.log10(1 / np.mean((one[:, i] - other[:, i]) ** 2)) for i in range(4)]
    )
    wanted = [structural_similarity(one[:, i], other[:, i], data_range=1, win_size=7, channel_axis=0) for i in range(4)]
    assert found["ssim"] == pytest.approx(wanted)


def test_frames_smaller_than_ssims_window_have_no_ssim():
    x = np.zeros((3, 2, 6, 16), np.float32)
    assert list(frame_figures(x, x)) == ["psnr"]


def test_error_levels_are_means_over_the_colours():
    source = np.array([[[[10, 20, 30]]]], np.uint8)
    assert error_levels(np.array([[[[13, 14, 30]]]], np.uint8), source).tolist() == [[[3]]]
    assert error_levels(np.array([[[[255, 0, 255]]]], np.uint8), source)[0, 0, 0] == round((245 + 20 + 225) / 3)


def test_leading_components_follow_the_directions_of_largest_variance():
    rng = np.random.default_rng(2)
    factors = rng.uniform(-1, 1, (3, 2, 12, 10)) * np.array([100, 10, 1]).reshape(3, 1, 1, 1)
    mixing, _ = np.linalg.qr(rng.standard_normal((16, 16)))
    latent = np.einsum("cf,ftij->ctij", mixing[:, :3], factors)
    picture, explained = leading_components(latent)
    assert picture.shape == (2, 12, 10, 3) and sum(explained) == pytest.approx(1)
    for component in range(3):
        assert abs(np.corrcoef(picture[..., component].ravel(), factors[component].ravel())[0, 1]) > 0.95


def test_a_latent_of_two_channels_or_of_one_value_has_pictures_too():
    picture, explained = leading_components(np.random.default_rng(3).standard_normal((2, 1, 4, 4)))
    assert explained[2] == 0 and not picture[..., 2].any()
    assert not leading_components(np.full((16, 1, 4, 4), 3.0))[0].any()


def test_channels_share_one_range_so_that_a_weak_one_looks_weak():
    latent = np.random.default_rng(4).standard_normal((2, 3, 8, 8)) * np.array([10, 0.1]).reshape(2, 1, 1, 1)
    pictures = channel_pictures(latent)
    assert pictures.shape == (3, 2, 8, 8) and np.ptp(pictures[:, 0]) == 255 and np.ptp(pictures[:, 1]) < 10


def test_a_clip_longer_than_a_page_holds_is_cut_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "MOST_FRAMES", 10)
    clip = json.loads((record(tmp_path, {"a.mp4": 24}) / "report/report.json").read_text())["clips"][0]
    assert (clip["frames"], clip["shown"]) == (24, 10)
    assert len(clip["contestants"]["model"]["psnr"]) == 10
    assert len(read_frames(tmp_path / "report/clips/000/model.mkv")) == 10
    assert clip["latent"]["shape"][1] == 2 and clip["latent"]["frames_each"] == 8
    assert Image.open(tmp_path / "report/clips/000/latent_channels.png").size == (16 * 12, 2 * 8)


def test_chunks_of_any_length_give_the_same_report_as_the_whole(tmp_path):
    class Kept:
        model, baselines, is_full = Eighths(), [], False

        def keep(self, clip):
            self.clip = clip

    rng = np.random.default_rng(5)
    x, recon = (rng.uniform(-1, 1, (3, 11, 16, 16)).astype(np.float32) for _ in range(2))
    found = []
    for edges in ([0, 11], [0, 1, 5, 11]):
        kept = Kept()
        clip = ClipRecorder(kept, tmp_path / str(len(found)), "a", 5.0, {})
        for start, stop in zip(edges, edges[1:]):
            clip.add(x[:, start:stop], {"model": recon[:, start:stop]})
        clip.finish()
        found.append({**kept.clip, "folder": None})
    assert found[0] == found[1] and found[0]["frames"] == 11


def test_a_new_report_takes_the_place_of_an_earlier_one(tmp_path):
    record(tmp_path, {"a.mp4": 3, "b.mp4": 3})
    record(tmp_path, {"c.mp4": 3})
    assert [path.name for path in (tmp_path / "report/clips").iterdir()] == ["000"]
