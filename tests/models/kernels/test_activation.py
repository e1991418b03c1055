"""SiLU and its derivative are those of the definition for numbers of every size, in either mode and form."""

import numpy as np

import mindspore as ms
from mindspore import nn

from mindone_tae.models.kernels.activation import silu

X = np.concatenate([np.linspace(-12, 12, 193), [-1e4, -200, -89, -88, -30, 30, 88, 200, 1e4]]).astype(np.float32)


class Summed(nn.Cell):
    def construct(self, x, weights):
        return (silu(x) * weights).sum()


def test_values_and_derivatives_are_those_of_the_definition(mode, form):
    x, weights = X.astype(np.float64), np.linspace(-2, 3, X.size)
    with np.errstate(over="ignore"):
        sigmoid = 1 / (1 + np.exp(-x))
    np.testing.assert_allclose(silu(ms.Tensor(X)).asnumpy(), x * sigmoid, rtol=1e-5, atol=1e-6)
    found = ms.grad(Summed())(ms.Tensor(X), ms.Tensor(weights, ms.float32)).asnumpy()
    expected = weights * sigmoid * (1 + x * (1 - sigmoid))
    inside = abs(x) <= 200
    np.testing.assert_allclose(found[inside], expected[inside], rtol=1e-4, atol=2e-5)
    np.testing.assert_allclose(found[~inside], expected[~inside], atol=2e-3)


def test_another_type_stays_and_nan_passes(form):
    half = silu(ms.Tensor(X[:193], ms.float16))
    assert half.dtype == ms.float16
    x = X[:193].astype(np.float64)
    np.testing.assert_allclose(half.asnumpy(), x / (1 + np.exp(-x)), atol=1e-2)
    assert np.isnan(silu(ms.Tensor([np.nan, 1.0], ms.float32)).asnumpy()).tolist() == [True, False]
