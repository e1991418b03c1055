"""Two axes exchanged: as numpy exchanges them, in either mode and on either device, and the gradient likewise."""

import mindspore as ms
import numpy as np
import pytest

from mindone_tae.models.kernels.axis_swap import AxisSwap

SIZES = [(1, 4, 5, 3), (2, 3, 4, 1), (3, 4, 1, 2), (2, 3, 2, 6)]


@pytest.fixture(params=["CPU", "NPU"])
def device(request, monkeypatch):
    if request.param == "NPU":  # what it would run there, here
        monkeypatch.setattr(ms, "get_context", lambda name: "Ascend")
    return request.param


@pytest.mark.parametrize("sizes", SIZES)
def test_axes_and_their_gradient_are_exchanged(mode, device, sizes):
    before, outer, inner, after = sizes
    rng = np.random.default_rng(0)
    x = rng.standard_normal((before * outer, inner, after)).astype(np.float32)
    direction = rng.standard_normal((before, inner, outer, after)).astype(np.float32)
    swap = AxisSwap(*sizes)
    np.testing.assert_array_equal(swap(ms.Tensor(x)).asnumpy(), x.reshape(sizes).transpose(0, 2, 1, 3))

    def projected(x, direction):
        return (swap(x) * direction).sum()

    gradient = ms.grad(projected)(ms.Tensor(x), ms.Tensor(direction))
    np.testing.assert_array_equal(gradient.asnumpy(), direction.transpose(0, 2, 1, 3).reshape(x.shape))
