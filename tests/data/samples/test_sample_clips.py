import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mindone_tae.data.readers.opening import open_video
from mindone_tae.data.samples.camera_moves import MOTIONS, camera_move
from mindone_tae.data.samples.moving_shapes import moving_shapes
from mindone_tae.data.samples.sample_clips import (
    TEST_PHOTOGRAPHS,
    TRAIN_PHOTOGRAPHS,
    make_sample_clips,
    photograph_folder,
)
from mindone_tae.zoo.errors import UserError

SMALL = {"train": 6, "test": 3, "size": (48, 64), "frames": 6}


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    return make_sample_clips(folder, **SMALL)


def test_tables_list_clips_that_can_be_read(made):
    for path, count in zip(made, (6, 3)):
        rows = rows_of(path)
        assert len(rows) == count and {"video", "motion"} <= set(rows[0])
        for row in rows:
            with open_video(Path(path).parent / row["video"]) as video:
                assert (len(video), video.size, video.fps) == (6, (48, 64), 16.0)


def test_same_seed_gives_the_same_bytes_and_another_does_not(made, tmp_path):
    def contents(folder):
        return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*.*")}

    make_sample_clips(tmp_path / "again", **SMALL)
    make_sample_clips(tmp_path / "other", seed=1, **SMALL)
    first = contents(Path(made[0]).parent)
    assert contents(tmp_path / "again") == first
    other = contents(tmp_path / "other")
    assert all(other[name] != first[name] for name in first if name.endswith(".mp4"))


def test_test_clips_show_photographs_that_no_training_clip_shows(made):
    train, test = ({row["source"] for row in rows_of(path)} - {"drawn"} for path in made)
    assert train and test and not train & test
    assert not set(TRAIN_PHOTOGRAPHS) & set(TEST_PHOTOGRAPHS)


def test_every_photograph_is_in_the_wheel():
    for name in TRAIN_PHOTOGRAPHS + TEST_PHOTOGRAPHS:
        assert (Path(photograph_folder()) / name).is_file()


def test_all_motions_come_for_training_and_testing(tmp_path):
    for path in make_sample_clips(tmp_path, size=(16, 16), frames=1):
        assert {row["motion"] for row in rows_of(path)} == {*MOTIONS, "shapes"}


@pytest.mark.parametrize("motion", MOTIONS)
def test_camera_stays_inside_the_photograph(motion):
    white = Image.new("RGB", (300, 200), (255, 255, 255))
    for seed in range(20):
        for frame in camera_move(white, motion, 5, (48, 64), np.random.default_rng(seed)):
            assert frame.shape == (48, 64, 3) and frame.min() == 255  # outside it would be black


@pytest.mark.parametrize("motion", MOTIONS)
def test_camera_moves_smoothly(motion):
    y, x = np.mgrid[:400, :600]
    waves = (127 + 100 * np.sin(x / 25) * np.sin(y / 25)).astype(np.uint8)
    photograph = Image.fromarray(np.stack([waves] * 3, axis=-1))
    frames = np.stack(list(camera_move(photograph, motion, 24, (48, 64), np.random.default_rng(0)))).astype(float)
    steps = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3))
    assert steps.min() > 0.3 and steps.max() < 4 * np.median(steps)


def test_shapes_move_by_fractions_of_a_pixel():
    frames = np.stack(list(moving_shapes(12, (48, 64), np.random.default_rng(0)))).astype(float)
    steps = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3))
    assert steps.min() > 0.3 and steps.max() < 3 * np.median(steps)


def test_without_scikit_image_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("mindone_tae.data.samples.sample_clips.find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install scikit-image"):
        make_sample_clips(tmp_path)


@pytest.mark.parametrize("keywords, said", [({"train": 0}, "train is 0"), ({"size": (47, 64)}, "even sides")])
def test_numbers_out_of_range_are_refused(tmp_path, keywords, said):
    with pytest.raises(UserError, match=said):
        make_sample_clips(tmp_path, **keywords)
