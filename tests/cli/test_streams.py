"""Latents of long clips are processed in chunks: nothing is in memory twice."""

import tracemalloc

import numpy as np
import pytest

from mindone_tae.cli.commands.decode import latent_chunks
from mindone_tae.cli.streams import joined
from mindone_tae.data import LatentClip, write_latents
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
