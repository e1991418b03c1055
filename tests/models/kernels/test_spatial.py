"""The convolution inside a frame has the gradients of its definition, in either form and mode."""

import numpy as np
import pytest

import mindspore as ms
from mindspore import nn

from mindone_tae.models.kernels import spatial
from mindone_tae.models.kernels.device import as_products
from mindone_tae.models.kernels.spatial import SameSizeConv


class Projected(nn.Cell):
    """A convolution's result along a direction."""

    def __init__(self):
        super().__init__()
        self.conv = SameSizeConv()

    def construct(self, x, kernel, direction):
        return (self.conv(x, kernel) * direction).sum()


def by_definition(x, kernel, direction):
    """Gradients of sum(direction * conv(x, kernel)), tap by tap."""
    k, (h, w) = kernel.shape[-1], x.shape[-2:]
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (k // 2, k // 2), (k // 2, k // 2)))
    of_padded, of_kernel = np.zeros_like(padded), np.zeros(kernel.shape)
    for i in range(k):
        for j in range(k):
            of_kernel[:, :, i, j] = np.einsum("nohw,nchw->oc", direction, padded[:, :, i : i + h, j : j + w])
            of_padded[:, :, i : i + h, j : j + w] += np.einsum("nohw,oc->nchw", direction, kernel[:, :, i, j])
    return of_padded[:, :, k // 2 : k // 2 + h, k // 2 : k // 2 + w], of_kernel


def _in_a_graph(row):
    if row["every_form"] == "products":
        return row["x_shape"] in ((2, 4, 8, 12), (3, 32, 4, 4))
    return row["x_shape"] in ((2, 4, 8, 12), (2, 27, 5, 7), (1, 50, 9, 6))


@pytest.mark.graph_mode(where=_in_a_graph)
@pytest.mark.parametrize(
    ("x_shape", "out_channels", "k"),
    [
        ((2, 4, 8, 12), 6, 3),  # many pixels for each channel
        ((1, 3, 9, 7), 5, 5),
        ((3, 32, 4, 4), 8, 3),  # few
        ((2, 27, 5, 7), 3, 3),  # few results
        ((1, 50, 9, 6), 2, 5),
        ((2, 3, 4, 5), 6, 1),
    ],
)
def test_gradients_are_those_of_the_definition(mode, every_form, x_shape, out_channels, k):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(x_shape).astype(np.float32)
    kernel = rng.standard_normal((out_channels, x_shape[1], k, k)).astype(np.float32)
    direction = rng.standard_normal((x_shape[0], out_channels, *x_shape[2:])).astype(np.float32)
    gradient = ms.grad(Projected(), (0, 1))
    found = [value.asnumpy() for value in gradient(*map(ms.Tensor, (x, kernel, direction)))]
    for ours, theirs in zip(found, by_definition(x, kernel, direction)):
        np.testing.assert_allclose(ours, theirs, atol=2e-4)


@pytest.mark.graph_mode(where=lambda row: row["frames"] == 5)
@pytest.mark.parametrize("frames", [1, 4, 5, 9])
def test_large_inputs_are_convolved_in_parts_to_the_same(mode, frames, monkeypatch):
    rng = np.random.default_rng(2)
    shape = (frames, 4, 8, 12)
    monkeypatch.setattr(spatial, "_AT_ONCE", shape[1] * shape[2] * shape[3] * 2)
    x, direction = [rng.standard_normal((frames, c, 8, 12)).astype(np.float32) for c in (4, 6)]
    kernel = rng.standard_normal((6, 4, 3, 3)).astype(np.float32)
    native = ms.ops.Conv2D(6, 3, pad_mode="pad", pad=1)(ms.Tensor(x), ms.Tensor(kernel)).asnumpy()
    np.testing.assert_allclose(SameSizeConv()(ms.Tensor(x), ms.Tensor(kernel)).asnumpy(), native, atol=1e-4)
    found = [value.asnumpy() for value in ms.grad(Projected(), (0, 1))(*map(ms.Tensor, (x, kernel, direction)))]
    for ours, theirs in zip(found, by_definition(x, kernel, direction)):
        np.testing.assert_allclose(ours, theirs, atol=2e-4)


@pytest.mark.parametrize("in_channels", [26, 27])
def test_results_are_those_of_a_convolution_whichever_way_the_channels_choose(mode, in_channels):
    rng = np.random.default_rng(1)
    x = ms.Tensor(rng.standard_normal((2, in_channels, 5, 8)).astype(np.float32))
    kernel = ms.Tensor(rng.standard_normal((3, in_channels, 3, 3)).astype(np.float32))
    native = ms.ops.Conv2D(3, 3, pad_mode="pad", pad=1)
    found, expected = SameSizeConv()(x, kernel).asnumpy(), native(x, kernel).asnumpy()
    # where this MindSpore has no fast convolution, none is taken
    assert np.array_equal(found, expected) == (in_channels == 26 and not as_products())
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.graph_mode(where=lambda row: row["x_shape"] in ((5, 128, 16, 36), (2, 128, 30, 36)))
@pytest.mark.parametrize(
    "x_shape, out_channels, dtype, combines",
    [
        ((2, 128, 32, 32), 128, ms.float32, True),
        ((5, 128, 16, 36), 256, ms.float32, True),
        ((2, 128, 30, 36), 128, ms.float32, False),  # height is not a multiple of 4
        ((1, 128, 32, 32), 128, ms.float32, False),  # few pixels
        ((2, 64, 32, 32), 128, ms.float32, False),  # few channels
        ((2, 128, 32, 32), 128, ms.float16, False),
    ],
)
def test_many_channels_and_pixels_take_half_the_products_and_give_the_same(
    mode, x_shape, out_channels, dtype, combines
):
    rng = np.random.default_rng(2)
    x = 3 + rng.standard_normal(x_shape).astype(np.float32)
    kernel = (rng.standard_normal((out_channels, x_shape[1], 3, 3)) / (9 * x_shape[1]) ** 0.5).astype(np.float32)
    conv = SameSizeConv()
    native = ms.ops.Conv2D(out_channels, 3, pad_mode="pad", pad=1)
    found, expected = (run(ms.Tensor(x, dtype), ms.Tensor(kernel, dtype)).asnumpy() for run in (conv, native))
    assert np.array_equal(found, expected) != (combines or as_products())
    exact = 2e-2 if as_products() else 0
    np.testing.assert_allclose(found, expected, atol=1e-4 if dtype == ms.float32 else exact)


def test_gradients_of_many_channels_are_those_of_the_definition(mode):
    rng = np.random.default_rng(3)
    x, direction = rng.standard_normal((2, 2, 128, 32, 32)).astype(np.float32)
    kernel = (rng.standard_normal((128, 128, 3, 3)) / 34).astype(np.float32)
    gradient = ms.grad(Projected(), (0, 1))
    found = [value.asnumpy() for value in gradient(*map(ms.Tensor, (x, kernel, direction)))]
    for ours, theirs in zip(found, by_definition(x, kernel, direction)):
        np.testing.assert_allclose(ours, theirs, atol=1e-4 * np.abs(theirs).max())
