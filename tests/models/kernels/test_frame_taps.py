"""A convolution over gathered frames has the values and gradients of its definition, in either mode."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import nn

from mindone_tae.models.kernels.frame_tables import doubled, neighbours
from mindone_tae.models.kernels.frame_taps import FrameTaps

C, H, W = 3, 2, 4


class Projected(nn.Cell):
    """The result along a direction."""

    def __init__(self, taps, tables, b):
        super().__init__()
        self.taps = taps
        self.take, self.give, self.pairs = tables
        self.b = b

    def construct(self, x, kernel, direction):
        return (self.taps(x, kernel, self.take, self.give, self.pairs, self.b) * direction).sum()


def frames_seen(kind, t):
    """For each frame of the result and each group the frames that its taps see; None stands for zeros."""
    if kind == "doubled":
        return [[[i - 1 if i else None, i], [i, i + 1 if i + 1 < t else None]] for i in range(t)]
    return [[[max(i - 1, 0), i, min(i + 1, t - 1)]] for i in range(0, t, 2 if kind == "halved" else 1)]


def by_definition(kind, t, b, x, kernel, direction):
    """Value and gradients, frame by frame; kernel (group, c_out, taps, c_in), direction (t_out, b, group, c, h, w)."""
    x, kernel, direction = (value.astype(np.float64) for value in (x.reshape(t, b, C, H, W), kernel, direction))
    value, of_x, of_kernel = 0.0, np.zeros_like(x), np.zeros_like(kernel)
    for i, groups in enumerate(frames_seen(kind, t)):
        for g, seen in enumerate(groups):
            for k, frame in enumerate(seen):
                if frame is None:
                    continue
                value += np.einsum("bihw,oi,bohw->", x[frame], kernel[g, :, k], direction[i, :, g])
                of_x[frame] += np.einsum("oi,bohw->bihw", kernel[g, :, k], direction[i, :, g])
                of_kernel[g, :, k] += np.einsum("bihw,bohw->oi", x[frame], direction[i, :, g])
    return value, of_x, of_kernel


@pytest.mark.parametrize("mode", [ms.PYNATIVE_MODE, ms.GRAPH_MODE])
@pytest.mark.parametrize("b", [1, 2])
@pytest.mark.parametrize("t", [2, 3, 4, 5])
@pytest.mark.parametrize("kind", ["every", "halved", "doubled"])
def test_value_and_gradients_are_those_of_the_definition(kind, t, b, mode, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(t)
    group, taps = (2, 2) if kind == "doubled" else (1, 3)
    t_out = len(frames_seen(kind, t))
    x, kernel, direction = (rng.standard_normal(shape).astype(np.float32) for shape in ((t * b, C, H, W), (group, C, taps, C), (t_out, b, group, C, H, W)))
    expected = by_definition(kind, t, b, x, kernel, direction)
    try:
        ms.set_context(mode=mode)
        tables = doubled(t, b) if kind == "doubled" else neighbours(t, b, 2 if kind == "halved" else 1)
        net = Projected(FrameTaps(C, taps, group, zero_row=kind == "doubled", neighbours=kind == "every"), tables, b)
        arrays = x, kernel.reshape(group * C, taps * C, 1, 1), direction.reshape(t_out * b, group * C, H, W)
        value, gradients = ms.value_and_grad(net, (0, 1))(*map(ms.Tensor, arrays))
        found = [array.asnumpy() for array in (value, *gradients)]
    finally:
        ms.set_context(mode=ms.PYNATIVE_MODE)
    for ours, theirs in zip(found, expected):
        np.testing.assert_allclose(ours, np.reshape(theirs, ours.shape), atol=1e-4)


@pytest.mark.parametrize(
    "t, b, size, dtype, combines",
    [
        (4, 1, (16, 32), ms.float32, True),
        (8, 2, (8, 16), ms.float32, True),
        (32, 1, (4, 16), ms.float32, True),
        (6, 1, (16, 32), ms.float32, False),  # frames do not come in fours
        (36, 1, (4, 16), ms.float32, False),  # and are many beside the channels
        (4, 1, (16, 31), ms.float32, False),  # few pixels
        (4, 1, (16, 32), ms.float16, False),
    ],
)
def test_many_channels_and_pixels_take_half_the_products_and_give_the_same(mode, t, b, size, dtype, combines):
    rng = np.random.default_rng(4)
    x = ms.Tensor(3 + rng.standard_normal((t * b, 128, *size)).astype(np.float32), dtype)
    kernel = ms.Tensor((rng.standard_normal((128, 3 * 128, 1, 1)) / (3 * 128) ** 0.5).astype(np.float32), dtype)
    tables = neighbours(t, b, 1)
    found = FrameTaps(128, neighbours=True)(x, kernel, *tables, b).asnumpy()
    expected = FrameTaps(128)(x, kernel, *tables, b).asnumpy()
    assert np.array_equal(found, expected) != combines
    np.testing.assert_allclose(found, expected, atol=1e-4 if dtype == ms.float32 else 0)
