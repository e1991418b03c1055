"""A convolution over time has the values and gradients of its definition, in either mode and form."""

import numpy as np
import pytest

import mindspore as ms
from mindspore import nn

from mindone_tae.models.kernels.frame_taps import NeighbourTaps, doubled_taps

C, H, W = 3, 2, 4


class Projected(nn.Cell):
    """The result along a direction; kernel (c, c, taps)."""

    def __init__(self, kind, b):
        super().__init__()
        self.neighbour_taps = NeighbourTaps()
        self.kind = kind
        self.b = b

    def construct(self, x, kernel, direction):
        return (self.convolved(x, kernel) * direction).sum()

    def convolved(self, x, kernel):
        if self.kind == "doubled":
            return doubled_taps(x, kernel, self.b)
        return self.neighbour_taps(x, kernel, self.b, 2 if self.kind == "halved" else 1)


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


def _in_a_graph(row):
    if row["every_form"] == "products":
        return (row["t"], row["b"], row["kind"]) == (5, 2, "doubled")
    return (row["t"], row["b"]) in ((4, 1), (5, 2))


@pytest.mark.graph_mode(where=_in_a_graph)
@pytest.mark.parametrize("t, b", [(t, b) for t in (2, 3, 4, 5) for b in (1, 2)])
@pytest.mark.parametrize("kind", ["every", "halved", "doubled"])
def test_value_and_gradients_are_those_of_the_definition(mode, every_form, kind, t, b):
    rng = np.random.default_rng(t)
    group, taps = (2, 2) if kind == "doubled" else (1, 3)
    t_out = len(frames_seen(kind, t))
    shapes = (t * b, C, H, W), (group, C, taps, C), (t_out, b, group, C, H, W)
    x, kernel, direction = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
    value, of_x, of_kernel = by_definition(kind, t, b, x, kernel, direction)
    given = kernel.transpose(1, 3, 0, 2).reshape(C, C, group * taps)
    rows = direction.transpose(0, 2, 1, 3, 4, 5).reshape(-1, C, H, W)
    found = ms.value_and_grad(Projected(kind, b), (0, 1))(*map(ms.Tensor, (x, given, rows)))
    np.testing.assert_allclose(found[0].asnumpy(), value, atol=1e-4)
    np.testing.assert_allclose(found[1][0].asnumpy(), of_x.reshape(x.shape), atol=1e-4)
    np.testing.assert_allclose(found[1][1].asnumpy(), of_kernel.transpose(1, 3, 0, 2).reshape(given.shape), atol=1e-4)


@pytest.mark.graph_mode(where=lambda row: row["t"] in (8, 6))
@pytest.mark.parametrize(
    "t, b, size, dtype, combines",
    [
        (4, 1, (16, 32), ms.float32, True),
        (8, 2, (8, 16), ms.float32, True),
        (32, 1, (4, 16), ms.float32, True),
        (6, 1, (16, 32), ms.float32, False),  # frame count is not a multiple of 4
        (36, 1, (4, 16), ms.float32, False),  # too many frames for the channels
        (4, 1, (16, 31), ms.float32, False),  # few pixels
        (4, 1, (16, 32), ms.float16, False),
    ],
)
def test_many_channels_and_pixels_take_half_the_products_and_give_the_same(mode, t, b, size, dtype, combines):
    rng = np.random.default_rng(4)
    x = ms.Tensor(3 + rng.standard_normal((t * b, 128, *size)).astype(np.float32), dtype)
    kernel = ms.Tensor((rng.standard_normal((128, 128, 3)) / (3 * 128) ** 0.5).astype(np.float32))
    every, by_definition = Projected("every", b), Projected("every", b)
    by_definition.neighbour_taps.every.neighbours = False
    found, expected = (net.neighbour_taps(x, kernel, b, 1).asnumpy() for net in (every, by_definition))
    assert np.array_equal(found, expected) != combines
    np.testing.assert_allclose(found, expected, atol=1e-4 if dtype == ms.float32 else 0)
