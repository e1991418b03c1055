import inspect
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from mindone_tae.data.readers.opening import READERS, open_video
from mindone_tae.data.tae_video import TAEVideoDataset
from mindone_tae.data.transforms import to_pixels
from mindone_tae.zoo.errors import UserError


@pytest.fixture
def collection(make_video, tmp_path):
    """Three videos, an image, and two files that are none; and a csv of them all."""
    for name, frames in (("a.mp4", 24), ("b.mkv", 12), ("c.mp4", 5)):
        make_video(name, frames)
    Image.new("RGB", (96, 64), (180, 180, 180)).save(tmp_path / "d.png")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("not a video")
    names = ["empty.mp4", "a.mp4", "b.mkv", "text.mp4", "c.mp4", "d.png", "gone.mp4"]
    (tmp_path / "list.csv").write_text("video,caption\n" + "".join(f"{name},about {name}\n" for name in names))
    return str(tmp_path / "list.csv")


def shown(video, numbers_of):
    """Frame numbers that a clip shows."""
    return numbers_of(to_pixels(video))


def test_clip_is_float32_channels_first_in_range(collection):
    (video,) = TAEVideoDataset(collection, size=(32, 48), sample_n_frames=4)[0]
    assert video.shape == (3, 4, 32, 48) and video.dtype == np.float32 and video.flags.c_contiguous
    assert -1 <= video.min() < video.max() <= 1


def test_clip_shows_the_frames_asked_for(collection, numbers_of):
    dataset = TAEVideoDataset(collection, size=64, sample_n_frames=4, sample_stride=3, deterministic_sample=True)
    assert shown(dataset[0][0], numbers_of) == [0, 3, 6, 9]
    everything = TAEVideoDataset(collection, size=64, sample_n_frames=-1)
    assert [shown(everything[i][0], numbers_of) for i in (1, 2)] == [list(range(12)), list(range(5))]


def test_short_video_is_played_back_and_forth(collection, numbers_of):
    dataset = TAEVideoDataset(collection, size=64, sample_n_frames=8)
    assert shown(dataset[2][0], numbers_of) == [0, 1, 2, 3, 4, 3, 2, 1]


def test_short_video_is_left_out_on_request_but_images_stay(collection, tmp_path):
    dataset = TAEVideoDataset(collection, size=64, sample_n_frames=8, short_video="skip")
    assert [dataset.describe(i)["relative_path"] for i in range(len(dataset))] == ["a.mp4", "b.mkv", "d.png"]
    reasons = dict(dataset.unreadable)
    assert "too short: 5 frames, and a clip needs 8" in reasons[str(tmp_path / "c.mp4")]


def test_unreadable_files_are_listed_once_with_their_reason_and_left_out(collection, tmp_path):
    dataset = TAEVideoDataset(collection, size=64, sample_n_frames=4)
    assert len(dataset) == 4
    assert [(path[len(str(tmp_path)) + 1 :], reason.split(":")[0]) for path, reason in dataset.unreadable] == [
        ("empty.mp4", "0 bytes"),
        ("text.mp4", "not a video"),
        ("gone.mp4", "no such file"),
    ]


def test_no_readable_file_is_an_error_that_names_them(tmp_path):
    (tmp_path / "list.csv").write_text("video\n" + "".join(f"{n}.mp4\n" for n in range(5)))
    with pytest.raises(
        UserError, match="no file of the data set can be used: .*0.mp4: no such file; .*2.mp4.*; and 2 more"
    ):
        TAEVideoDataset(str(tmp_path / "list.csv"))
    unchecked = TAEVideoDataset(str(tmp_path / "list.csv"), check_files=False)
    with pytest.raises(UserError, match="no file of the data set can be used"):
        unchecked[0]
    assert len(unchecked.unreadable) == 5


def test_file_that_fails_later_is_reported_once_and_the_next_takes_its_place(collection, tmp_path, caplog):
    dataset = TAEVideoDataset(collection, size=64, sample_n_frames=4)
    before, (next_one,) = len(dataset.unreadable), dataset.sample(1, np.random.default_rng(5))
    (tmp_path / "a.mp4").write_bytes(b"")
    for _ in range(2):
        (video,) = dataset.sample(0, np.random.default_rng(5))
        assert np.array_equal(video, next_one)
    assert dataset.unreadable[before:] == [(str(tmp_path / "a.mp4"), "0 bytes")]
    assert len(dataset) == 4 and dataset.describe(0)["relative_path"] == "b.mkv"
    assert "a.mp4: 0 bytes" in caplog.text


def test_unchecked_files_fail_when_drawn(collection):
    dataset = TAEVideoDataset(collection, size=64, sample_n_frames=4, check_files=False)
    assert len(dataset) == 7 and dataset.unreadable == []
    for index in range(7):
        assert dataset[index][0].shape == (3, 4, 64, 64)
    assert len(dataset.unreadable) == 3


def test_index_gives_the_same_sample_every_time_and_generators_differ(collection):
    dataset = TAEVideoDataset(collection, size=32, sample_n_frames=4, random_crop=True, random_flip=True)
    assert np.array_equal(dataset[0][0], dataset[0][0]) and np.array_equal(dataset[-1][0], dataset[3][0])
    draws = [dataset.sample(0, np.random.default_rng(seed))[0] for seed in range(12)]
    assert np.array_equal(dataset.sample(0, np.random.default_rng(7))[0], draws[7])
    assert len({draw.tobytes() for draw in draws}) > 8
    with pytest.raises(IndexError):
        dataset[4]


def test_one_number_is_drawn_whatever_happens(collection):
    dataset = TAEVideoDataset(collection, size=32, random_crop=True, random_flip=True, check_files=False)
    after = []
    for index in (0, 1, 3, 5):  # bad, good, bad, image
        rng = np.random.default_rng(3)
        dataset.sample(index, rng)
        after.append(rng.random())
    assert len(set(after)) == 1


def test_crop_and_flip_are_the_same_for_every_frame(make_video, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (32, 96, 3), dtype=np.uint8)
    for number in range(6):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    images = [Image.fromarray(pixels)] * 6
    images[0].save(tmp_path / "still.gif", save_all=True, append_images=images[1:], duration=50)
    (tmp_path / "list.csv").write_text("video\nstill.gif\n0.png\n")
    dataset = TAEVideoDataset(
        str(tmp_path / "list.csv"), size=32, sample_n_frames=4, random_crop=True, random_flip=True
    )
    for seed in range(6):
        (video,) = dataset.sample(1, np.random.default_rng(seed))
        assert all(np.array_equal(video[:, 0], video[:, frame]) for frame in range(4))


def test_flip_mirrors_half_of_the_draws(tmp_path):
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:, :8] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    dataset = TAEVideoDataset(folder=str(tmp_path), size=16, sample_n_frames=1, random_flip=True)
    left = [dataset.sample(0, np.random.default_rng(seed))[0][0, 0, 0, 0] > 0 for seed in range(200)]
    assert 70 < sum(left) < 130


def test_batch_of_a_step_has_one_shape_whatever_the_files(collection):
    dataset = TAEVideoDataset(collection, size=32, sample_n_frames=8, mixed_strategy="mixed_video_random")
    rng, seen = np.random.default_rng(0), set()
    for _ in range(12):
        choice = dataset.step_choice(rng)
        shapes = {dataset.sample(index, rng, choice)[0].shape for index in range(len(dataset))}
        assert shapes == {(3, choice, 32, 32)}
        seen.add(choice)
    assert len(seen) > 2


def test_aspect_ratio_is_kept_with_px(collection):
    assert TAEVideoDataset(collection, size="32px", sample_n_frames=2)[0][0].shape == (3, 2, 32, 48)


def test_image_on_a_video_step_is_a_still_video(collection):
    (video,) = TAEVideoDataset(collection, size=64, sample_n_frames=4)[3]
    assert video.shape == (3, 4, 64, 64) and (to_pixels(video) == 180).all()


def test_columns_come_in_the_order_asked_for(collection, tmp_path):
    dataset = TAEVideoDataset(collection, size=32, sample_n_frames=2, output_columns=["caption", "video", "path"])
    caption, video, path = dataset[0]
    assert (caption.item(), video.shape, path.item()) == ("about a.mp4", (3, 2, 32, 32), str(tmp_path / "a.mp4"))
    with pytest.raises(UserError, match="'captoin'; there are video, path, caption; did you mean 'caption'"):
        TAEVideoDataset(collection, output_columns=["captoin"])


@pytest.mark.parametrize("check_files", [True, False])
def test_describe_tells_where_a_sample_is_from(collection, tmp_path, check_files):
    dataset = TAEVideoDataset(collection, size=32, check_files=check_files)
    assert dataset.describe(0) == {
        "path": str(tmp_path / "a.mp4"),
        "relative_path": "a.mp4",
        "frames": 24,
        "fps": 20.0,
        "size": (64, 96),
        "caption": "about a.mp4",
    }


def test_loader_threads_get_what_one_thread_gets(collection):
    dataset = TAEVideoDataset(collection, size=32, sample_n_frames=4, check_files=False)
    jobs = [(index, seed) for seed in range(4) for index in range(7)]

    def draw(job):
        return dataset.sample(job[0], np.random.default_rng(job[1]))[0].tobytes()

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(draw, jobs))
    assert together == [draw(job) for job in jobs]
    assert len(dataset.unreadable) == 3


@pytest.mark.parametrize("cache_mb, files", [(0, 7), (64, 4)])
def test_readers_are_closed_after_use(collection, monkeypatch, cache_mb, files):
    opened, closed = [], []
    for name, cls in READERS.items():
        monkeypatch.setattr(cls, "close", lambda self, close=cls.close: (closed.append(self), close(self)))
    monkeypatch.setattr(
        "mindone_tae.data.clips.file_list.open_video", lambda *a: opened.append(open_video(*a)) or opened[-1]
    )
    dataset = TAEVideoDataset(
        collection,
        size=32,
        sample_n_frames=2,
        deterministic_sample=True,
        check_files=False,
        read_timeout_s=None,
        cache_mb=cache_mb,
    )
    for index in range(7):
        dataset[index]
    assert len(opened) == files and len(closed) >= files


@pytest.mark.parametrize(
    "keywords, said",
    [
        ({"sample_stride": 0}, "sample_stride is 0; it must be from 1 to"),
        ({"num_check_threads": 0}, "num_check_threads is 0"),
        ({"num_check_threads": 10**9}, "num_check_threads is 1000000000"),
        ({"clips_per_video": 10**12}, "clips_per_video is 1000000000000"),
        ({"read_timeout_s": 0}, "read_timeout_s is 0; it must be from 0.001 to 86400"),
        ({"read_memory_mb": 1.0}, "read_memory_mb is 1.0; it must be from 256 to 1048576"),
        ({"size": 8 * 10**9}, "size is 8000000000; sides must be at most"),
        ({"size": [8, 8 * 10**9]}, "sides must be at most"),
        ({"size": "8000000000px"}, "size is '8000000000px'"),
        ({"reader": "pyva"}, "did you mean 'pyav'"),
        ({"short_video": "pingpnog"}, "did you mean 'pingpong'"),
        ({"mixed_strategy": "image-only"}, "did you mean 'image_only'"),
        ({"mixed_image_ratio": -0.1}, "mixed_image_ratio"),
        ({"size": 60}, "use 56 or 64"),
        ({"video_column": "path"}, "no column 'path'"),
        ({"output_columns": []}, "output_columns is empty"),
    ],
)
def test_bad_keyword_is_refused(collection, keywords, said):
    with pytest.raises(UserError, match=said):
        TAEVideoDataset(collection, **keywords)


def test_every_keyword_is_annotated_for_recipes():
    for parameter in list(inspect.signature(TAEVideoDataset.__init__).parameters.values())[1:]:
        assert parameter.annotation is not parameter.empty and parameter.default is not parameter.empty
