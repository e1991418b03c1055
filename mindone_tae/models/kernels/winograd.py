"""Winograd's minimal filtering F(4, 3) for a CPU: three-tap convolutions over rows or frames in half the products.

Four rows of results are sums of six products of transformed rows of pixels with transformed rows of the kernel, where
the definition takes twelve (Winograd, 1980; the matrices are Lavin and Gray's, 2015); likewise four frames. The
transforms move memory, so they pay only where there are many channels and many pixels. In float32 the results differ
from the definition's by rounding, about 1e-5 of their spread. The calling kernels define the gradients.
"""

import numpy as np

import mindspore as ms
from mindspore import ops
from mindspore.ops import constexpr

from .axis_swap import gathered
from .products import pointwise

_RESULTS = 4  # rows or frames of results at a time
# Coefficients of the transforms. Pixels: by product, of six rows (or frames), from the one before the first result's to
# the one after the last's. Kernel: by product, of its three rows. Results: by result, of the six products.
_OF_PIXELS = [
    [4, 0, -5, 0, 1, 0],
    [0, -4, -4, 1, 1, 0],
    [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0],
    [0, 2, -1, -2, 1, 0],
    [0, 4, 0, -5, 0, 1],
]
_OF_KERNEL = [
    [1 / 4, 0, 0],
    [-1 / 6, -1 / 6, -1 / 6],
    [-1 / 6, 1 / 6, -1 / 6],
    [1 / 24, 1 / 12, 1 / 6],
    [1 / 24, -1 / 12, 1 / 6],
    [0, 0, 1],
]
_OF_RESULTS = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
_PRODUCTS = 6
# Products saved grow with in * out, memory moved with in + out: below 128 and 128 channels nothing is gained.
_CHANNELS = 64
# Below this many pixels, transforming the kernel takes longer than the products saved.
_PIXELS = 2048
# Over time the transforms take 3 products a frame for each result, and save 1.5 a channel.
_FRAMES = 4


@constexpr
def faster_down_rows(shape, out_channels, dtype):
    """Whether `down_rows` is faster than the plain 3x3 convolution for this shape (n, c, h, w) and type."""
    n, c, h, w = shape
    return dtype == ms.float32 and _many(c, out_channels) and h % _RESULTS == 0 and n * h * w >= _PIXELS


@constexpr
def faster_along_frames(shape, b, dtype):
    """Whether `along_frames` is faster than the plain convolution for this shape (t*b, c, h, w) and type."""
    rows, c, h, w = shape
    fours = rows % (_RESULTS * b) == 0
    return dtype == ms.float32 and _many(c, c) and fours and _FRAMES * rows <= c and rows * h * w >= _PIXELS


def down_rows(x, kernel):
    """A 3x3 convolution of stride 1, zero padded to keep its size.

    Args:
        x: (n, c, h, w), h a multiple of 4.
        kernel: (out_channels, c, 3, 3).

    Returns:
        (n, out_channels, h, w).
    """
    n, c, h, w = x.shape
    width, tiles = kernel.shape[0], h // _RESULTS
    combine = ops.Conv2D(_PRODUCTS, (_PRODUCTS, 1), pad_mode="pad", pad=(1, 1, 0, 0), stride=(_RESULTS, 1))
    multiply = ops.Conv2D(_PRODUCTS * width, (1, 3), pad_mode="pad", pad=(0, 0, 1, 1), group=_PRODUCTS)
    kernel = _combined_kernel(gathered(kernel, width, c, 3, 3), width, c, 3)
    x = combine(ops.reshape(x, (n * c, 1, h, w)), _of_pixels())
    x = ops.reshape(gathered(x, n, c, _PRODUCTS, tiles * w), (n, _PRODUCTS * c, tiles, w))
    x = ops.reshape(multiply(x, kernel), (n, _PRODUCTS, width * tiles, w))
    x = gathered(ops.Conv2D(_RESULTS, 1)(x, _of_results()), n, _RESULTS, width * tiles, w)
    return ops.reshape(x, (n, width, h, w))


def along_frames(x, kernel, b):
    """A pointwise convolution of each frame with the one before and the one after, the ends repeated.

    Args:
        x: (t*b, c, h, w), t a multiple of 4.
        kernel: (c, 3*c, 1, 1), the tap before the channel.
        b: rows a frame.

    Returns:
        (t*b, c, h, w).
    """
    rows, c, h, w = x.shape
    products = rows // _RESULTS
    of_frames, of_products = _along_frames(rows // b, b)
    x = ops.MatMul()(of_frames, ops.reshape(x, (rows, c * h * w)))
    x = ops.reshape(x, (products, _PRODUCTS * c, h, w))
    x = pointwise(x, _combined_kernel(kernel, c, c, 1), _PRODUCTS)
    x = ops.MatMul()(of_products, ops.reshape(x, (products * _PRODUCTS, c * h * w)))
    return ops.reshape(x, (rows, c, h, w))


def _many(in_channels, out_channels):
    return in_channels * out_channels >= _CHANNELS * (in_channels + out_channels)


def _combined_kernel(kernel, out_channels, in_channels, width):
    """The transform of a kernel: (out_channels, 3, in_channels, width) to (6*out_channels, in_channels, 1, width)."""
    run = in_channels * width
    kernel = ops.BatchMatMul()(_of_kernel(out_channels), ops.reshape(kernel, (out_channels, 3, run)))
    return ops.reshape(
        gathered(kernel, 1, out_channels, _PRODUCTS, run), (_PRODUCTS * out_channels, in_channels, 1, width)
    )


@constexpr
def _of_pixels():
    return ms.Tensor(np.float32(_OF_PIXELS).reshape(_PRODUCTS, 1, _PRODUCTS, 1))


@constexpr
def _of_results():
    return ms.Tensor(np.float32(_OF_RESULTS).reshape(_RESULTS, _PRODUCTS, 1, 1))


@constexpr
def _of_kernel(out_channels):
    return ms.Tensor(np.broadcast_to(np.float32(_OF_KERNEL), (out_channels, _PRODUCTS, 3)).copy())


@constexpr
def _along_frames(t, b):
    """Matrices over rows (t, b): the transform of frames, (t/4*b*6, t*b), and that of products, (t*b, t/4*b*6)."""
    fours = t // _RESULTS
    of_frames, of_products = np.zeros((fours, _PRODUCTS, t), np.float32), np.zeros((t, fours, _PRODUCTS), np.float32)
    for i in range(fours):
        for j, column in enumerate(np.float32(_OF_PIXELS).T):
            of_frames[i, :, min(max(_RESULTS * i - 1 + j, 0), t - 1)] += column
        of_products[_RESULTS * i : _RESULTS * (i + 1), i] = _OF_RESULTS
    each = np.eye(b, dtype=np.float32)
    of_frames, of_products = np.einsum("ipt,bd->ibptd", of_frames, each), np.einsum("tip,bd->tbidp", of_products, each)
    return ms.Tensor(of_frames.reshape(-1, t * b)), ms.Tensor(of_products.reshape(t * b, -1))
