"""Frames kept in memory change how often files are read, and nothing else."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import av
import numpy as np
import pytest

from mindone_tae.data.clips import cached_reader, file_list
from mindone_tae.data.clips.cached_reader import KeptReader
from mindone_tae.data.clips.frame_cache import FrameCache
from mindone_tae.data.readers.base import UnreadableVideo, VideoReader
from mindone_tae.data.readers.file_stamp import stamp_of
from mindone_tae.data.readers.isolated import reader_pool
from mindone_tae.data.readers.isolated.bounded_reader import bounded_stamp
from mindone_tae.data.readers.isolated.reader_pool import ReaderPool
from mindone_tae.data.readers.opening import open_video
from mindone_tae.data.tae_video import TAEVideoDataset
from mindone_tae.data.transforms import to_pixels
from mindone_tae.zoo.errors import UserError

DRAWN = {"size": [32, 32], "sample_n_frames": 4, "random_crop": True, "random_flip": True, "read_timeout_s": None}
FRAME_BYTES = 32 * 48 * 3 + 256  # of a 64x96 frame resized to cover 32x32, with what its array takes


@pytest.fixture
def folder(make_video, tmp_path):
    """Three videos with a keyframe every eight frames, stored out of order."""
    for name, frames in (("a.mp4", 24), ("b.mkv", 24), ("c.mp4", 5)):
        make_video(name, frames)
    return str(tmp_path)


@pytest.fixture
def opened(monkeypatch):
    """Paths that data sets of this test open."""
    paths = []
    monkeypatch.setattr(file_list, "open_video", lambda path, *rest: paths.append(path) or open_video(path, *rest))
    return paths


def keyframes_of(name, folder):
    """As the decoded frames themselves tell."""
    with av.open(f"{folder}/{name}") as container:
        return [number for number, frame in enumerate(container.decode(video=0)) if frame.key_frame]


def draw(dataset, epochs):
    """All clips of some epochs."""
    return [
        dataset.sample(index, np.random.default_rng([epoch, index]))[0]
        for epoch in range(epochs)
        for index in range(len(dataset))
    ]


@pytest.mark.parametrize(
    "keywords",
    [
        {},
        {"size": "32px"},
        {"sample_stride": 3},
        {"deterministic_sample": True},
        {"random_crop": False},
        {"reader": "pyav"},
    ],
)
@pytest.mark.parametrize("megabytes", [FRAME_BYTES * 11 / 2**20, 64])
def test_samples_are_the_same_with_and_without(folder, keywords, megabytes):
    keywords = {**DRAWN, **keywords, "folder": folder}
    with_cache, without = (
        draw(TAEVideoDataset(cache_mb=megabytes, **keywords), 5),
        draw(TAEVideoDataset(cache_mb=0, **keywords), 5),
    )
    assert all(map(np.array_equal, with_cache, without))


def test_threads_in_any_order_get_the_same_samples_from_bounded_readers(folder):
    keywords = {**DRAWN, "folder": folder, "read_timeout_s": 30.0}
    dataset = TAEVideoDataset(cache_mb=1, **keywords)
    jobs = [(index, seed) for seed in range(6) for index in range(3)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda job: dataset.sample(job[0], np.random.default_rng(job[1]))[0], jobs))
    plain = TAEVideoDataset(cache_mb=0, **keywords)
    for (index, seed), clip in zip(jobs, together):
        assert np.array_equal(clip, plain.sample(index, np.random.default_rng(seed))[0])


def test_each_stretch_between_keyframes_is_read_once(folder, opened):
    dataset = TAEVideoDataset(folder=folder, **DRAWN)
    draw(dataset, 12)
    assert opened.count(f"{folder}/c.mp4") == 1 and len(opened) <= 1 + len(keyframes_of("a.mp4", folder)) + len(
        keyframes_of("b.mkv", folder)
    )
    before = len(opened)
    draw(dataset, 12)
    assert len(opened) == before


def test_clips_that_come_again_take_nothing_beside_them(folder, opened):
    dataset = TAEVideoDataset(folder=folder, deterministic_sample=True, **{**DRAWN, "random_crop": False})
    draw(dataset, 3)
    assert len(opened) == 3
    kept = [frames for file in dataset._files._cache._files.values() for frames in file.frames.values()]
    assert [sorted(frames) for frames in kept] == [[0, 1, 2, 3]] * 3


def test_memory_stays_within_its_bound_and_what_is_kept_stays(folder, opened):
    dataset = TAEVideoDataset(folder=folder, cache_mb=FRAME_BYTES * 11 / 2**20, **DRAWN)
    cache = dataset._files._cache
    draw(dataset, 10)
    kept = {path: file.bytes() for path, file in cache._files.items()}
    assert FRAME_BYTES * 8 <= sum(kept.values()) <= FRAME_BYTES * 11
    draw(dataset, 10)
    assert {path: file.bytes() for path, file in cache._files.items()} == kept
    arrays = [frame for file in cache._files.values() for frames in file.frames.values() for frame in frames.values()]
    assert all(frame.base is None for frame in arrays)  # none holds memory that is not counted


def test_file_that_changes_is_read_anew_and_its_memory_comes_back(folder, make_video, numbers_of, tmp_path):
    dataset = TAEVideoDataset(folder=folder, size=64, sample_n_frames=4, deterministic_sample=True)
    room = dataset._files._cache._room
    first = dataset[2][0]
    make_video("other.mp4", 9, size=(96, 64), crf="30")
    os.replace(tmp_path / "other.mp4", tmp_path / "c.mp4")
    (again,), plain = (
        dataset[2],
        TAEVideoDataset(folder=folder, size=64, sample_n_frames=4, deterministic_sample=True, cache_mb=0),
    )
    assert np.array_equal(again, plain[2][0]) and not np.array_equal(again, first)
    assert numbers_of(to_pixels(again)) == [0, 1, 2, 3]
    assert room - dataset._files._cache._room == sum(file.bytes() for file in dataset._files._cache._files.values())


@pytest.mark.parametrize("timeout_s", [None, 30.0])
def test_file_that_is_gone_is_reported_and_the_next_takes_its_place(folder, timeout_s):
    dataset = TAEVideoDataset(folder=folder, **{**DRAWN, "read_timeout_s": timeout_s})
    draw(dataset, 2)
    os.remove(f"{folder}/a.mp4")
    taken = dataset.sample(0, np.random.default_rng(5))[0]
    assert np.array_equal(taken, dataset.sample(1, np.random.default_rng(5))[0])
    assert dataset.unreadable == [(f"{folder}/a.mp4", "no such file")]


def test_a_process_that_is_held_from_outside_is_replaced_and_one_that_hangs_tells_nothing(folder, monkeypatch):
    monkeypatch.setattr(reader_pool, "_GRACE_SECONDS", 0.5)
    pool = ReaderPool()
    path = f"{folder}/a.mp4"
    assert bounded_stamp(path, 30, pool) == stamp_of(path) != stamp_of(f"{folder}/b.mkv")
    process = pool._idle[0]
    os.kill(process.pid, signal.SIGSTOP)  # the machine's doing, not the file's
    assert bounded_stamp(path, 5, pool) == stamp_of(path)

    def hang(*arguments, **keywords):
        raise reader_pool.Hung

    monkeypatch.setattr(type(process), "ask", hang)  # as on a disk that does not answer
    assert bounded_stamp(path, 30, pool) is None
    pool.close()


def test_what_has_no_stamp_is_no_file(folder):
    assert stamp_of(folder) is None and stamp_of(f"{folder}/none.mp4") is None


class Numbers(VideoReader):
    """Twenty frames of one stretch, each of its number's grey."""

    fps, size, name, keyframes = 10.0, (8, 8), "decord", (0,)

    def __init__(self, bad=()):
        self.path, self._bad, self.asked = "n.mp4", bad, []

    def __len__(self):
        return 20

    def _read_sorted(self, indices):
        self.asked += indices
        if set(self._bad) & set(indices):
            raise UnreadableVideo(self.path, "damaged")
        return np.array(indices, np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 3), np.uint8)


FORM = (8, 8), (0, 0, 8, 8)


def clip(cache, open_file, numbers):
    with KeptReader("n.mp4", open_file, (1,), cache, stretches=True) as reader:
        return reader.read_resized(numbers, *FORM)[:, 0, 0, 0].tolist()


def kept_numbers(cache):
    return sorted(cache._files["n.mp4"].frames[FORM]) if cache._files else []


def test_damage_beside_a_clip_spoils_no_clip_and_is_met_once():
    readers = []

    def open_file():
        readers.append(Numbers(bad=[17]))
        return readers[-1]

    cache = FrameCache(1)
    assert clip(cache, open_file, [4, 3, 4]) == [4, 3, 4] and len(readers) == 2
    assert clip(cache, open_file, [18, 19]) == [18, 19] and readers[-1].asked == [18, 19]
    with pytest.raises(UnreadableVideo, match="damaged"):
        clip(cache, open_file, [16, 17])


def test_long_stretch_is_not_read_for_one_clip(monkeypatch):
    monkeypatch.setattr(cached_reader, "_LONGEST_STRETCH", 19)
    cache = FrameCache(1)
    assert clip(cache, Numbers, [2, 3]) == [2, 3] and kept_numbers(cache) == [2, 3]


def test_stretch_without_room_is_not_read():
    cache = FrameCache(19 * (8 * 8 * 3 + 256) / 2**20)
    assert clip(cache, Numbers, [2, 3]) == [2, 3] and kept_numbers(cache) == [2, 3]


def test_file_that_changes_between_its_stamp_and_its_opening_is_told():
    class Longer(Numbers):
        def __len__(self):
            return 21

    cache = FrameCache(1)
    clip(cache, lambda: Numbers(bad=[17]), [2, 3])
    with pytest.raises(UnreadableVideo, match="it changed"):
        clip(cache, Longer, [18])


@pytest.mark.parametrize("reader", ["decord", "pyav"])
@pytest.mark.parametrize("timeout_s", [None, 30.0])
def test_stretch_reaches_from_keyframe_to_keyframe(folder, reader, timeout_s):
    edges = [*keyframes_of("a.mp4", folder), 24]
    assert edges[0] == 0 and len(edges) > 3
    with open_video(f"{folder}/a.mp4", reader, timeout_s) as video:
        for start, middle, end in zip(edges, edges[1:], edges[2:]):
            assert video.stretch(start, start) == video.stretch(middle - 1, middle - 1) == (start, middle)
            assert video.stretch(middle - 1, middle) == (start, end)
        assert video.stretch(23, 23) == (edges[-2], 24)


@pytest.mark.parametrize("megabytes", [-1, 2**20 + 1])
def test_bound_out_of_range_is_refused(folder, megabytes):
    with pytest.raises(UserError, match=f"cache_mb is {megabytes}; it must be from 0 to 1048576"):
        TAEVideoDataset(folder=folder, cache_mb=megabytes)
