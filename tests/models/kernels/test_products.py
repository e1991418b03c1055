"""Convolutions as matrix products have the values and gradients of their definition; see test_spatial for stride 1."""

import numpy as np
import pytest

import mindspore as ms
from mindspore import nn

from mindone_tae.models.kernels import device
from mindone_tae.models.kernels.spatial import conv2d
from mindone_tae.models.kernels.upsample import spatial_upsample


class Projected(nn.Cell):
    """A convolution's result along a direction."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def construct(self, x, kernel, bias, direction):
        if self.kind == "doubled":
            return (spatial_upsample(x, kernel, bias) * direction).sum()
        return (conv2d(x, kernel, bias, stride=2, padding=(0, 1, 0, 1)) * direction).sum()


def by_definition(kind, x, kernel, bias, direction):
    """Value and gradients in float64, tap by tap."""
    x, kernel, bias, direction = (array.astype(np.float64) for array in (x, kernel, bias, direction))
    n, c, h, w = x.shape
    rows, columns = direction.shape[-2:]
    doubled = kind == "doubled"
    stride = 1 if doubled else 2
    border = ((1, 1), (1, 1)) if doubled else ((0, 1), (0, 1))
    pixels = np.pad(x.repeat(2, 2).repeat(2, 3) if doubled else x, ((0, 0), (0, 0), *border))
    value, of_pixels, of_kernel = np.einsum("nohw,o->", direction, bias), np.zeros_like(pixels), np.zeros_like(kernel)
    for i in range(3):
        for j in range(3):
            seen = (..., slice(i, i + stride * rows, stride), slice(j, j + stride * columns, stride))
            of_kernel[:, :, i, j] = np.einsum("nohw,nchw->oc", direction, pixels[seen])
            of_pixels[seen] += np.einsum("nohw,oc->nchw", direction, kernel[:, :, i, j])
    value += (kernel * of_kernel).sum()
    if doubled:
        of_x = of_pixels[..., 1:-1, 1:-1].reshape(n, c, h, 2, w, 2).sum((3, 5))
    else:
        of_x = of_pixels[..., :-1, :-1]
    return value, of_x, of_kernel, direction.sum((0, 2, 3))


@pytest.mark.graph_mode(where=lambda row: row["x_shape"][1] == 3)
@pytest.mark.parametrize(
    "kind, x_shape, out_channels",
    [
        ("halved", (2, 3, 8, 6), 5),
        ("halved", (1, 40, 2, 4), 4),  # few pixels for the channels
        ("doubled", (2, 3, 3, 5), 3),
        ("doubled", (1, 40, 1, 2), 40),
    ],
)
def test_value_and_gradients_are_those_of_the_definition(mode, kind, x_shape, out_channels):
    rng = np.random.default_rng(0)
    (n, c, h, w), doubled = x_shape, kind == "doubled"
    out_shape = (n, out_channels, *((2 * h, 2 * w) if doubled else (h // 2, w // 2)))
    shapes = x_shape, (out_channels, c, 3, 3), (out_channels,), out_shape
    arrays = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    with device.form("products"):
        value, gradients = ms.value_and_grad(Projected(kind), (0, 1, 2))(*map(ms.Tensor, arrays))
    for ours, theirs in zip((value, *gradients), by_definition(kind, *arrays), strict=True):
        assert ours.shape == np.shape(theirs)
        np.testing.assert_allclose(ours.asnumpy(), theirs, rtol=1e-5, atol=2e-4)
