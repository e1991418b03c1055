"""A memory budget: the estimate against memory measured, and the tiles it leads to."""

import subprocess
import sys

import numpy as np
import pytest

import mindspore as ms

from mindone_tae.models.tiling.memory import activation_bytes, tile_within

pytestmark = pytest.mark.apart

TAE = (128, 256, 512, 512)

# Growth of peak resident memory from a small video to one of 16 frames of 96x96, each part in a fork: peaks never fall.
_MEASURE = """
import os, sys
import numpy as np, mindspore as ms
from mindone_tae.models.autoencoder import TemporalAutoencoder
ms.set_context(mode=ms.PYNATIVE_MODE, device_target="CPU")
for part in ("encode", "decode"):
    if os.fork() == 0:
        break
    os.wait()
else:
    os._exit(0)
model = TemporalAutoencoder(latent_channels=4, block_out_channels=(16, 32, 64, 64), norm_num_groups=8).set_train(False)
def peak(part, t, side):
    if part == "encode":
        model.encoder(ms.Tensor(np.zeros((1, 3, t, side, side), np.float32))).asnumpy()
    else:
        model.decoder(ms.Tensor(np.zeros((1, 4, t // 8, side // 8, side // 8), np.float32))).asnumpy()
    # not getrusage's peak, which a process inherits from the one that started it
    status = open("/proc/self/status").read()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024
before = peak(part, 8, 16)
sys.stdout.write(f"{part} grown {peak(part, 16, 96) - before}\\n")
sys.stdout.flush()
os._exit(0)
"""


@pytest.fixture(autouse=True)
def in_pynative(pynative):
    pass


@pytest.fixture(scope="module")
def measured():
    """What the script above prints."""
    return subprocess.run([sys.executable, "-c", _MEASURE], capture_output=True, text=True, timeout=300).stdout


@pytest.mark.parametrize("part", ["encode", "decode"])
def test_estimate_is_near_what_a_pass_takes(part, measured):
    grown = int(measured.split(f"{part} grown ")[1].split()[0])
    estimate = activation_bytes(part, (16, 32, 64, 64), (1, 16, 96, 96))
    assert 0.5 * grown < estimate < 2 * grown


def test_estimate_grows_with_the_video_and_the_width():
    base = activation_bytes("decode", TAE, (1, 8, 64, 64))
    assert (
        activation_bytes("decode", TAE, (2, 8, 64, 64)) == activation_bytes("decode", TAE, (1, 16, 64, 64)) == 2 * base
    )
    assert activation_bytes("decode", TAE, (1, 8, 128, 128)) == 4 * base
    assert activation_bytes("decode", (64, 128, 256, 256), (1, 8, 64, 64)) == base / 2
    assert (
        base / 4 < activation_bytes("encode", TAE, (1, 8, 64, 64)) < base
    )  # the decoder's first level is as wide as its second


@pytest.mark.parametrize("part", ["encode", "decode"])
@pytest.mark.parametrize("budget_gb", [4, 8, 64])
def test_budget_gets_the_largest_tile_that_fits(part, budget_gb):
    h, w = 64, 96
    lh, lw = tile_within(budget_gb, part, TAE, (1, 32, 8 * h, 8 * w), 8)

    def bytes_of(side):
        return activation_bytes(part, TAE, (1, 32, 8 * min(side, h), 8 * min(side, w)))

    side = max(lh, lw)
    assert (lh, lw) == (min(side, h), min(side, w))
    assert bytes_of(side) <= budget_gb * 1e9 < bytes_of(side + 1) or side == max(h, w)


def test_budget_too_small_for_any_tile_says_what_is_needed():
    with pytest.raises(
        ValueError,
        match=r"memory_budget_gb is 0.1; the smallest tile, 32 frames of 64x64 pixels of 2 videos, "
        r"takes about .* GB to decode",
    ):
        tile_within(0.1, "decode", TAE, (2, 32, 512, 512), 8)


def test_budget_tiles_only_what_does_not_fit(local_model):
    model = local_model(sample_deterministic=True, encode_tile=8, decode_tile=8, decode_overlap=4)
    seen = []
    network = model.decoder

    class Noting(type(network)):
        def construct(self, z):
            seen.append(z.shape)
            return super().construct(z)

    model.decoder = Noting(0.0)
    z = ms.Tensor(np.random.default_rng(0).standard_normal((1, 4, 10, 20, 30)).astype(np.float32))
    plain = network(z).asnumpy()
    whole = activation_bytes("decode", (8, 8), (1, 20, 40, 60)) / 1e9

    model.enable_tiling(memory_budget_gb=whole)
    np.testing.assert_array_equal(model.decode(z).asnumpy(), plain)
    assert seen == [(1, 4, 10, 20, 30)]

    seen.clear()
    model.enable_tiling(memory_budget_gb=whole * 0.4)  # a time tile is 8 of 20 frames: frames stay whole
    np.testing.assert_array_equal(model.decode(z).asnumpy(), plain)
    assert set(seen) == {(1, 4, 4, 20, 30)}

    seen.clear()
    model.enable_tiling(memory_budget_gb=whole * 0.1)  # a quarter of that: 20*15 of 30*20 latent pixels at most
    np.testing.assert_array_equal(model.decode(z).asnumpy(), plain)
    assert set(seen) == {(1, 4, 4, 12, 12)}

    seen.clear()
    np.testing.assert_array_equal(np.concatenate(list(model.decode_frames([z])), 2), plain)
    assert set(seen) == {(1, 4, 4, 12, 12)}

    model.enable_tiling(tile_sample_min_height=16)
    assert model.tile_sizes.memory_budget_gb is None
