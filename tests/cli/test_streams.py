"""Latents of long clips are processed in chunks: nothing is in memory twice."""

import threading
import time
import tracemalloc

import numpy as np
import pytest

from mindone_tae.cli.clips import over_groups
from mindone_tae.cli.commands.decode import latent_chunks
from mindone_tae.cli.streams import ReadAhead, joined
from mindone_tae.data import LatentClip, UnreadableVideo, write_latents
from mindone_tae.data.latents.clip_file import open_latents
from mindone_tae.models.latent.scaling import unscale_latents


def parts(lengths):
    """(mean, logvar) of chunks whose latent frames tell their number."""
    first = 0
    for length in lengths:
        mean = np.empty((2, 4, length, 8, 8), np.float32)
        mean[:] = np.arange(first, first + length)[:, None, None]
        yield mean, -mean
        first += length


def peak_bytes(work):
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("told", [None, 7, 9, 4, 2])
def test_chunks_are_joined_in_order_whatever_length_was_told_before(told):
    mean, logvar = joined(parts([3, 3, 1]), told)
    assert mean.shape == logvar.shape == (2, 4, 7, 8, 8) and (logvar == -mean).all()
    assert mean[1, 3, :, 7, 7].tolist() == list(range(7))


def test_a_length_told_before_keeps_latents_from_being_held_twice():
    whole = 2 * 2 * 4 * 400 * 8 * 8 * 4  # bytes of mean and logvar
    assert peak_bytes(lambda: joined(parts([4] * 100), 400)) < 1.1 * whole
    assert peak_bytes(lambda: joined(parts([4] * 100))) > 1.9 * whole


@pytest.mark.parametrize("kinds", [("mean", "logvar"), ("sample",)])
def test_decode_reads_a_latent_span_by_span_and_unscales_it_as_if_it_were_read_whole(tmp_path, kinds):
    rng = np.random.default_rng(0)
    arrays = {
        "mean": None,
        "logvar": None,
        **{kind: rng.standard_normal((4, 403, 8, 8)).astype(np.float32) for kind in kinds},
    }
    facts = {
        "scaling_convention": "diffusers",
        "scaling_factor": 1.5,
        "shift_factor": 0.25,
        "seed": 0 if "sample" in kinds else None,
    }
    write_latents(
        tmp_path / "a.safetensors", LatentClip(**arrays, frames=3217, fps=24.0, size=(64, 64), source="a.mp4", **facts)
    )
    latent = open_latents(tmp_path / "a.safetensors")
    chunks = list(latent_chunks([latent, latent]))
    assert {chunk.shape[2] for chunk in chunks} == {4, 3}
    whole = unscale_latents(arrays[kinds[0]], "diffusers", 1.5, 0.25)
    np.testing.assert_array_equal(np.concatenate(chunks, axis=2), np.stack([whole, whole]))
    assert peak_bytes(lambda: [None for _ in latent_chunks([latent])]) < 0.1 * whole.nbytes


def test_writing_a_latent_copies_no_array(tmp_path):
    mean = np.zeros((4, 400, 32, 32), np.float32)
    clip = LatentClip(mean=mean, logvar=mean, frames=3200, fps=24.0, size=(256, 256), source="a.mp4")
    assert peak_bytes(lambda: write_latents(tmp_path / "a.safetensors", clip)) < 0.1 * mean.nbytes


class Source:
    """A clip of chunks that tell its number; it counts those that were read, and may fail after some."""

    def __init__(self, number, chunks=4, fails_after=None, frames=2):
        self.number, self.count, self.fails_after, self.frames, self.read = number, chunks, fails_after, frames, 0

    def chunks(self):
        for place in range(self.count):
            if place == self.fails_after:
                raise UnreadableVideo(f"{self.number}.mp4", "damaged")
            self.read += 1
            yield np.full((3, self.frames, 8, 8), 10 * self.number + place, np.float32)


def seen(chunks):
    return [chunk[:, 0, 0, 0, 0].tolist() for chunk in chunks]


def test_groups_that_are_read_ahead_give_their_own_chunks_in_order():
    groups = [[Source(0), Source(1)], [Source(2)], [Source(3, chunks=0)], [Source(4), Source(5)]]
    with ReadAhead(groups) as ahead:
        found = [seen(ahead.chunks(number)) for number in range(4)]
    expected = [[[10.0 * clip.number + place for clip in group] for place in range(group[0].count)] for group in groups]
    assert found == expected


def test_a_clip_that_fails_fails_its_own_group_after_the_chunks_before_and_no_other():
    with ReadAhead([[Source(0)], [Source(1, fails_after=2)], [Source(2)]]) as ahead:
        assert seen(ahead.chunks(0)) == [[0], [1], [2], [3]]
        chunks = ahead.chunks(1)
        assert [next(chunks)[0, 0, 0, 0, 0] for _ in range(2)] == [10, 11]
        with pytest.raises(UnreadableVideo, match="1.mp4"):
            next(chunks)
        assert seen(ahead.chunks(2)) == [[20], [21], [22], [23]]


def test_a_group_that_is_left_early_is_not_read_to_its_end():
    groups = [[Source(0, chunks=1000)], [Source(1)]]
    chunk_bytes = 4 * 3 * 2 * 8 * 8
    with ReadAhead(groups, ready_bytes=5 * chunk_bytes) as ahead:
        next(ahead.chunks(0))
        assert seen(ahead.chunks(1)) == [[10], [11], [12], [13]]
    assert groups[0][0].read < 10


@pytest.mark.parametrize(("ready_chunks", "most"), [(0.5, 0), (3, 3)])
def test_no_more_is_read_ahead_than_may_lie_ready(ready_chunks, most):
    source, taken = Source(0, chunks=20), 0
    with ReadAhead([[source]], ready_bytes=ready_chunks * 4 * 3 * 2 * 8 * 8) as ahead:
        for _ in ahead.chunks(0):
            taken += 1
            # what has been asked for, and what lies ready
            deadline = time.monotonic() + 0.02
            while time.monotonic() < deadline:
                assert source.read <= taken + most


def test_reading_ends_with_the_block():
    source = Source(0, chunks=10**9)
    with ReadAhead([[source]]) as ahead:
        next(ahead.chunks(0))
    deadline = time.monotonic() + 30
    while any(thread.name.startswith("read ahead") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert source.read < 10**9


def test_the_largest_chunk_so_far_decides_how_many_lie_ready():
    sizes = [Source(0, chunks=1, frames=40), Source(1, chunks=1, frames=1), Source(2, chunks=1, frames=40), Source(3)]
    with ReadAhead([[source] for source in sizes], ready_bytes=30 * 4 * 3 * 8 * 8) as ahead:
        for number in range(2):
            assert len(seen(ahead.chunks(number))) == 1
            time.sleep(0.05)
            assert [source.read for source in sizes] == [1] * (number + 1) + [0] * (3 - number)


def test_a_dataset_that_ends_the_program_ends_it():
    class Ending(Source):
        def chunks(self):
            raise SystemExit(3)
            yield

    with ReadAhead([[Ending(0)]]) as ahead, pytest.raises(SystemExit):
        seen(ahead.chunks(0))


def test_clips_of_a_group_that_fails_are_run_one_by_one_and_the_unreadable_one_is_left_out():
    failed, groups = [], [[Source(0), Source(1, fails_after=1), Source(2)], [Source(3)]]
    found = [
        ([clip.number for clip in group], chunks)
        for group, chunks in over_groups(groups, lambda group, chunks: seen(chunks), failed)
    ]
    assert [numbers for numbers, _ in found] == [[0], [2], [3]] and [len(chunks) for _, chunks in found] == [4] * 3
    assert failed == [("1.mp4", "damaged")]


def test_an_error_that_is_not_the_files_ends_the_work():
    def wrong(group, chunks):
        raise ValueError("a mistake")

    with pytest.raises(ValueError, match="a mistake"):
        list(over_groups([[Source(0), Source(1)]], wrong, []))
