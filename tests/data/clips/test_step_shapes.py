"""A step's draws: lengths, sizes and data sets, one shape a batch, independent of the reader."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from mindone_tae.data.clips.buckets import nearest_bucket
from mindone_tae.data.mixture import MixtureDataset
from mindone_tae.data.tae_video import TAEVideoDataset
from mindone_tae.data.transforms import to_pixels
from mindone_tae.zoo.errors import UserError
from mindone_tae.zoo.training.batches import BatchLoader

BUCKETS = [[32, 32], [32, 64], [64, 32]]


@pytest.fixture
def shapes(make_video, tmp_path):
    """Two wide videos, a long and a short one; a tall one; two square ones; and a file that is none."""
    for name, frames, size in (
        ("wide_long.mp4", 20, (32, 64)),
        ("wide_short.mp4", 5, (64, 112)),
        ("tall.mp4", 12, (64, 32)),
        ("square_a.mp4", 12, (48, 48)),
        ("square_b.mkv", 4, (64, 72)),
    ):
        make_video(name, frames, size)
    (tmp_path / "text.mp4").write_text("not a video")
    return str(tmp_path)


def files_of(dataset, choice, draws=40):
    names = set()
    for seed in range(draws):
        for index in range(len(dataset)):
            names.add(dataset.sample(index, np.random.default_rng([seed, index]), choice)[1].item().rsplit("/", 1)[1])
    return names


@pytest.mark.parametrize(
    "size, bucket",
    [((480, 580), 0), ((480, 640), 1), ((720, 1280), 1), ((1280, 720), 2), ((100, 100), 0), ((10, 1000), 1)],
)
def test_bucket_nearest_in_aspect_ratio_is_taken(size, bucket):
    assert nearest_bucket(size, [(256, 256), (192, 320), (320, 192)]) == bucket


def test_steps_of_a_bucket_take_its_files_alone_and_all_of_them(shapes):
    dataset = TAEVideoDataset(folder=shapes, size_buckets=BUCKETS, sample_n_frames=2, output_columns=["video", "path"])
    assert files_of(dataset, (2, 0), 6) == {"square_a.mp4", "square_b.mkv"}
    assert files_of(dataset, (2, 1), 6) == {"wide_long.mp4", "wide_short.mp4"}
    assert files_of(dataset, (2, 2), 2) == {"tall.mp4"}
    draws = Counter(dataset.step_choice(np.random.default_rng(seed)) for seed in range(1000))
    assert [draws[2, bucket] / 1000 for bucket in range(3)] == pytest.approx([0.4, 0.4, 0.2], abs=0.05)


def test_without_a_step_each_clip_has_its_own_bucket(shapes):
    dataset = TAEVideoDataset(folder=shapes, size_buckets=BUCKETS, sample_n_frames=2)
    names = [dataset.describe(index)["relative_path"] for index in range(len(dataset))]
    found = {name: dataset[index][0].shape[2:] for index, name in enumerate(names)}
    assert found == {
        "wide_long.mp4": (32, 64),
        "wide_short.mp4": (32, 64),
        "tall.mp4": (64, 32),
        "square_a.mp4": (32, 32),
        "square_b.mkv": (32, 32),
    }


def test_long_steps_take_videos_that_are_long_enough(shapes, numbers_of):
    dataset = TAEVideoDataset(
        folder=shapes, size=32, mixed_strategy="mixed_video_random", mixed_image_ratio=0.0, mixed_lengths=[4, 12, 16],
        short_video="bucket", output_columns=["video", "path"],
    )  # fmt: skip
    assert {dataset.step_choice(np.random.default_rng(seed)) for seed in range(50)} == {4, 12, 16}
    assert len(dataset) == 5
    assert files_of(dataset, 16, 3) == {"wide_long.mp4"}
    assert files_of(dataset, 12, 6) == {"wide_long.mp4", "tall.mp4", "square_a.mp4"}
    assert len(files_of(dataset, 4, 1)) == 5
    numbers = numbers_of(to_pixels(dataset.sample(1, np.random.default_rng(0), 12)[0]))
    assert numbers == list(range(numbers[0], numbers[0] + 12))  # nothing played twice


def test_length_that_no_file_has_falls_back_to_playing_twice(shapes):
    dataset = TAEVideoDataset(folder=shapes, size=32, sample_n_frames=24, short_video="bucket")
    assert dataset.sample(0, np.random.default_rng(0), 24)[0].shape[1] == 24


def test_buckets_need_what_a_check_tells(shapes):
    for keywords in ({"size_buckets": BUCKETS}, {"short_video": "bucket"}):
        with pytest.raises(UserError, match="check_files is false: give manifest_path"):
            TAEVideoDataset(folder=shapes, check_files=False, **keywords)


@pytest.mark.parametrize("sizes", [[], [[32, 32], [32, 32]], [[32, 30]], ["32px"]])
def test_bad_buckets_are_refused(shapes, sizes):
    with pytest.raises(UserError, match="size"):
        TAEVideoDataset(folder=shapes, size_buckets=sizes)


def test_target_rate_leaves_slow_videos_out(make_video, tmp_path):
    make_video("a.mp4")
    Image.new("RGB", (96, 64)).save(tmp_path / "still.png")
    dataset = TAEVideoDataset(folder=str(tmp_path), size=32, sample_n_frames=4, sample_fps=10.0)
    assert len(dataset) == 2 and dataset.clip_fps(0) == 10.0 and dataset.clip_fps(1) == 0.0
    with pytest.raises(UserError, match="too slow: 20 fps, and sample_fps 60"):
        make_video("only/b.mp4")
        TAEVideoDataset(folder=str(tmp_path / "only"), size=32, sample_fps=60.0)


def test_target_rate_is_met_by_each_videos_own_rate(make_video, tmp_path, numbers_of):
    make_video("a.mp4")
    dataset = TAEVideoDataset(
        folder=str(tmp_path), size=64, sample_n_frames=4, sample_fps=5.0, deterministic_sample=True
    )
    assert numbers_of(to_pixels(dataset[0][0])) == [0, 4, 8, 12]


def test_several_clips_of_a_video_are_samples_of_their_own(make_video, tmp_path, numbers_of):
    make_video("a.mp4", 24)
    make_video("b.mp4", 13)
    keywords = {"folder": str(tmp_path), "size": 64, "sample_n_frames": 4, "clips_per_video": 3}
    dataset = TAEVideoDataset(deterministic_sample=True, **keywords)
    assert len(dataset) == 6
    assert [numbers_of(to_pixels(dataset[index][0]))[0] for index in range(6)] == [0, 10, 20, 0, 4, 9]
    assert [dataset.describe(index)["relative_path"] for index in range(6)] == ["a.mp4"] * 3 + ["b.mp4"] * 3
    assert [numbers_of(to_pixels(next(dataset.stream(index))))[0] for index in range(6)] == [0, 10, 20, 0, 4, 9]
    drawn = TAEVideoDataset(**keywords)
    starts = [numbers_of(to_pixels(drawn.sample(1, np.random.default_rng(seed))[0]))[0] for seed in range(12)]
    assert set(starts) <= set(range(7, 14)) and len(set(starts)) > 2


def loaders(dataset, **keywords):
    return BatchLoader(dataset, 2, seed=11, **keywords)


@pytest.mark.parametrize("bounded", [True, False])
def test_batches_depend_on_seed_and_step_alone(shapes, bounded):
    """Whatever the number of threads, the step begun at, and whether files were found bad before."""

    def make():
        return TAEVideoDataset(
            folder=shapes, size_buckets=BUCKETS, mixed_strategy="mixed_video_random", mixed_lengths=[2, 4],
            short_video="bucket", random_crop=True, random_flip=True, clips_per_video=2,
            read_timeout_s=30.0 if bounded else None,
        )  # fmt: skip

    dataset = make()
    alone = [loaders(dataset).batch(step)[0] for step in range(8)]
    together = [batch[0] for batch in loaders(make(), num_workers=4, prefetch_steps=3).stream(0, 8)]
    late = [batch[0] for batch in loaders(make(), num_workers=2).stream(5, 8)]
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one, other)
    for one, other in zip(alone[5:], late, strict=True):
        assert np.array_equal(one, other)
    assert len({batch.shape for batch in alone}) > 2


def test_unchecked_bad_files_change_no_batch(shapes):
    """A bad file's place is taken by the same neighbour before and after it is found out."""
    keywords = {"folder": shapes, "size": 32, "sample_n_frames": 2, "check_files": False}
    dataset = TAEVideoDataset(**keywords)
    first = [loaders(dataset).batch(step)[0] for step in range(6)]
    assert len(dataset.unreadable) == 1
    again = [loaders(dataset).batch(step)[0] for step in range(6)]
    assert all(map(np.array_equal, first, again))


def test_epochs_differ_in_what_they_draw_of_an_item(make_video, tmp_path):
    make_video("a.mp4")
    dataset = TAEVideoDataset(folder=str(tmp_path), size=32, sample_n_frames=2)
    loader = BatchLoader(dataset, 1, seed=0)
    assert len({loader.batch(step)[0].tobytes() for step in range(8)}) > 4


def test_ranks_take_the_same_shapes(shapes):
    dataset = TAEVideoDataset(
        folder=shapes, size_buckets=BUCKETS, mixed_strategy="mixed_video_image", sample_n_frames=4
    )
    ranks = [BatchLoader(dataset, 1, seed=4, rank=rank, ranks=2) for rank in range(2)]
    for step in range(8):
        assert ranks[0].batch(step)[0].shape == ranks[1].batch(step)[0].shape


@pytest.fixture
def components(shapes, tmp_path):
    (tmp_path / "wide.csv").write_text("video\nwide_long.mp4\nwide_short.mp4\n")
    (tmp_path / "rest.csv").write_text("video\ntall.mp4\nsquare_a.mp4\nsquare_b.mkv\n")
    common = {"name": "tae_video", "output_columns": ["video", "path"]}
    return [
        {**common, "csv_path": str(tmp_path / "wide.csv"), "size": [16, 32], "sample_n_frames": 2},
        {
            **common,
            "csv_path": str(tmp_path / "rest.csv"),
            "size": [32, 16],
            "mixed_strategy": "mixed_video_random",
            "mixed_lengths": [3, 4],
        },
    ]


def test_mixture_takes_its_components_by_weight_a_step_from_one(components):
    mixture = MixtureDataset(components, weights=[3.0, 1.0])
    assert len(mixture) == 5 and mixture.output_columns == ["video", "path"]
    choices = [mixture.step_choice(np.random.default_rng(seed)) for seed in range(2000)]
    assert sum(number == 0 for number, _ in choices) / 2000 == pytest.approx(0.75, abs=0.04)
    assert {inner for number, inner in choices if number == 1} == {1, 3, 4} and {
        inner for number, inner in choices if number == 0
    } == {2}
    for choice, shape in (((0, 2), (3, 2, 16, 32)), ((1, 4), (3, 4, 32, 16))):
        assert {mixture.sample(index, np.random.default_rng(index), choice)[0].shape for index in range(5)} == {shape}


def test_mixture_weighs_by_numbers_of_items_by_default_and_draws_them_evenly(components):
    mixture = MixtureDataset(components)
    numbers = Counter(mixture.step_choice(np.random.default_rng(seed))[0] for seed in range(2000))
    assert numbers[0] / 2000 == pytest.approx(0.4, abs=0.04)
    drawn = Counter(mixture.sample(0, np.random.default_rng(seed), (0, 2))[1].item() for seed in range(40))
    assert len(drawn) == 2 and min(drawn.values()) > 8


def test_mixture_without_a_step_is_its_components_one_after_another(components):
    mixture = MixtureDataset(components)
    names = [mixture[index][1].item().rsplit("/", 1)[1] for index in range(5)]
    assert names == ["wide_long.mp4", "wide_short.mp4", "tall.mp4", "square_a.mp4", "square_b.mkv"]
    assert [mixture.describe(index)["relative_path"] for index in range(5)] == names
    assert mixture[-1][0].shape == mixture[4][0].shape
    with pytest.raises(IndexError):
        mixture[5]


def test_mixture_gives_the_same_batches_to_any_number_of_threads(components):
    alone = [loaders(MixtureDataset(components)).batch(step)[0] for step in range(6)]
    together = [batch[0] for batch in loaders(MixtureDataset(components), num_workers=3).stream(0, 6)]
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


@pytest.mark.parametrize(
    "change, said",
    [
        ({"components": []}, "components is empty"),
        ({"weights": [1.0]}, "one number from 0 up for each of the 2"),
        ({"weights": [0.0, 0.0]}, "not all 0"),
        ({"weights": [1.0, -1.0]}, "from 0 up"),
        ({"components": [{"name": "tae_vidoe"}]}, "did you mean 'tae_video'"),
        ({"components": [{"name": "tae_video", "foldr": "x"}]}, "foldr.*did you mean 'folder'"),
    ],
)
def test_bad_mixture_is_refused(components, change, said):
    with pytest.raises(UserError, match=said):
        MixtureDataset(**{"components": components, **change})


def test_mixture_needs_the_same_columns_everywhere(components):
    components[0]["output_columns"] = ["video"]
    with pytest.raises(UserError, match="output_columns"):
        MixtureDataset(components)
