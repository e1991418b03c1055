"""Convolutions of several taps as pointwise ones over moved copies.

From 2.9 on MindSpore's 3x3 and transposed convolutions on a CPU fall to a reference kernel, while pointwise ones and
matrix products stay fast (see `device`).
"""

from mindspore import ops

from .device import as_products


class SameSize:
    """A method of kernels that define their gradients.

    As a function it would be called in the forward pass and in the gradient, which MindSpore 2.10 fails to compile in a
    block that is recomputed.
    """

    def same_size(self, x, kernel):
        """A convolution of stride 1, zero padded to keep its size.

        Copies moved along a row stand side by side on the channel axis and meet the taps of all rows at once; the
        results are moved along the columns and added. That holds k copies of the pixels and k of the results, where
        unfolding holds k*k of the pixels.

        Args:
            x: (n, c, h, w).
            kernel: (out_channels, c, k, k) with odd k, in x's type.

        Returns:
            (n, out_channels, h, w).
        """
        n, c, h, w = x.shape
        width, _, _, k = kernel.shape
        x = _framed(x, k // 2)
        rows = h + k - 1
        # Slice, since an index over two axes becomes a StridedSlice, which takes 50 times as long
        moved = ()
        for j in range(k):  # no comprehension: a gradient could not share its function
            moved = moved + (ops.Slice()(x, (0, 0, 0, j), (n, c, rows, w)),)
        beside = ops.cat(moved, axis=1)  # (n, k*c, rows, w)
        kernel = ops.reshape(ops.transpose(kernel, (2, 0, 3, 1)), (k * width, k * c, 1, 1))
        y = ops.Conv2D(k * width, 1)(beside, kernel)
        total = ops.Slice()(y, (0, 0, 0, 0), (n, width, h, w))
        for i in range(1, k):
            total = total + ops.Slice()(y, (0, i * width, i, 0), (n, width, h, w))
        return total


def strided(x, kernel, stride, padding):
    """A convolution of any stride: pixels unfolded, and one pointwise convolution.

    Args:
        x: (n, c, h, w).
        kernel: (out_channels, c, k, k), in x's type.
        stride: pixels a step.
        padding: zeros added, one number for all sides or (top, bottom, left, right).

    Returns:
        (n, out_channels, h', w').
    """
    width, c, _, k = kernel.shape
    x = padded(x, padding if isinstance(padding, tuple) else (padding, padding, padding, padding))
    n, _, h, w = x.shape
    h, w = (h - k) // stride + 1, (w - k) // stride + 1
    seen = ops.Im2Col(ksizes=k, strides=stride, dilations=1, pads=0)(x)
    return ops.Conv2D(width, 1)(ops.reshape(seen, (n, c * k * k, h, w)), ops.reshape(kernel, (width, c * k * k, 1, 1)))


def pointwise(x, kernel, group):
    """A pointwise convolution of each group of channels with a kernel of its own, in the form that the kernels take.

    Args:
        x: (n, group*c, h, w).
        kernel: (group*out, c, 1, 1), in x's type.
        group: the number of groups; several are slow from MindSpore 2.9 on.

    Returns:
        (n, group*out, h, w).
    """
    n, _, h, w = x.shape
    rows, c = kernel.shape[:2]
    if group == 1 or not as_products():
        return ops.Conv2D(rows, 1, group=group)(x, kernel)
    kernel = ops.broadcast_to(ops.reshape(kernel, (1, group, rows // group, c)), (n, group, rows // group, c))
    return ops.reshape(ops.BatchMatMul()(kernel, ops.reshape(x, (n, group, c, h * w))), (n, rows, h, w))


def of_doubled(x, kernel):
    """A 3x3 convolution of doubled pixels, zero padded, without doubling them.

    A result of one of four kinds, an even or odd row and an even or odd column, reads two pixels each way: 4 products
    instead of 9.

    Args:
        x: (n, c, h, w).
        kernel: (out_channels, c, 4, 4) in x's type; along either axis the taps of an even result on the pixel before
            and on its own, then those of an odd one on its own and the pixel after.

    Returns:
        (n, out_channels, 2*h, 2*w).
    """
    n, c, h, w = x.shape
    width = kernel.shape[0]
    # by kind of column, then rows by (kind of row, tap, out_channels), columns by (tap, channels)
    kernel = ops.transpose(ops.reshape(kernel, (width, c, 4, 2, 2)), (3, 2, 0, 4, 1))
    kernel = ops.reshape(kernel, (2, 4 * width, 2 * c))
    x = _framed(x, 1)
    kinds = ()
    for column in (0, 1):
        left = ops.Slice()(x, (0, 0, 0, column), (n, c, h + 2, w))
        right = ops.Slice()(x, (0, 0, 0, column + 1), (n, c, h + 2, w))
        of_column = ops.Slice()(kernel, (column, 0, 0), (1, 4 * width, 2 * c))
        y = ops.Conv2D(4 * width, 1)(ops.cat((left, right), axis=1), ops.reshape(of_column, (4 * width, 2 * c, 1, 1)))
        for row in (0, 1):
            first = ops.Slice()(y, (0, 2 * row * width, row, 0), (n, width, h, w))
            second = ops.Slice()(y, (0, (2 * row + 1) * width, row + 1, 0), (n, width, h, w))
            kinds = kinds + (first + second,)
    y = ops.reshape(ops.stack(kinds), (2, 2, n * width * h, w))
    return ops.reshape(ops.transpose(y, (2, 1, 3, 0)), (n, width, 2 * h, 2 * w))


def doubled(x):
    """Each pixel four times: (n, c, h, w) to (n, c, 2*h, 2*w), nearest."""
    n, c, h, w = x.shape
    x = ops.broadcast_to(ops.reshape(x, (n * c * h, 1, w, 1)), (n * c * h, 2, w, 2))
    return ops.reshape(x, (n, c, 2 * h, 2 * w))


def _framed(x, border):
    """x (n, c, h, w) with so many zeros on each side. Without an `if`: a gradient could not share the function."""
    n, c, h, w = x.shape
    rows = ops.zeros((n, c, border, w), x.dtype)
    columns = ops.zeros((n, c, h + 2 * border, border), x.dtype)
    return ops.cat((columns, ops.cat((rows, x, rows), axis=2), columns), axis=3)


def padded(x, sides):
    """x (n, c, h, w) with zeros around, (top, bottom, left, right)."""
    top, bottom, left, right = sides
    n, c, h, w = x.shape
    if top:
        x = ops.cat((ops.zeros((n, c, top, w), x.dtype), x), axis=2)
    if bottom:
        x = ops.cat((x, ops.zeros((n, c, bottom, w), x.dtype)), axis=2)
    h = h + top + bottom
    if left:
        x = ops.cat((ops.zeros((n, c, h, left), x.dtype), x), axis=3)
    if right:
        x = ops.cat((x, ops.zeros((n, c, h, right), x.dtype)), axis=3)
    return x
