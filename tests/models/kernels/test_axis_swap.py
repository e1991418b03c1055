"""Two axes swapped, against NumPy, in either mode and form, with the gradient."""

import numpy as np
import pytest

import mindspore as ms

from mindone_tae.models.kernels.axis_swap import swap_axes

SIZES = [(1, 4, 5, 3), (2, 3, 4, 1), (3, 4, 1, 2), (2, 3, 2, 6)]


@pytest.mark.graph_mode(where=lambda row: row["sizes"] == SIZES[0])
@pytest.mark.parametrize("sizes", SIZES)
def test_axes_and_their_gradient_are_exchanged(mode, form, sizes):
    before, outer, inner, after = sizes
    rng = np.random.default_rng(0)
    x = rng.standard_normal((before * outer, inner, after)).astype(np.float32)
    direction = rng.standard_normal((before, inner, outer, after)).astype(np.float32)

    def projected(x, direction):
        return (swap_axes(x, before, outer, inner, after) * direction).sum()

    found = swap_axes(ms.Tensor(x), *sizes)
    np.testing.assert_array_equal(found.asnumpy(), x.reshape(sizes).transpose(0, 2, 1, 3))
    gradient = ms.grad(projected)(ms.Tensor(x), ms.Tensor(direction))
    np.testing.assert_array_equal(gradient.asnumpy(), direction.transpose(0, 2, 1, 3).reshape(x.shape))
