"""Group normalization has the values and gradients of its definition, in either mode and form."""

import numpy as np
import pytest

import mindspore as ms
from mindspore import nn

from mindone_tae.models.kernels.norm import group_norm

C, GROUPS, H, W = 6, 2, 2, 3
EPS = 1e-6


class Projected(nn.Cell):
    """The result along a direction."""

    def __init__(self, b):
        super().__init__()
        self.b = b

    def construct(self, x, gamma, beta, direction):
        return (group_norm(x, self.b, gamma, beta, GROUPS) * direction).sum()


def normalized(x, b, gamma, beta):
    """By definition: a video's own mean and standard deviation of each group, over its frames and pixels."""
    x = x.reshape(-1, b, GROUPS, C // GROUPS, H, W)
    x = (x - x.mean((0, 3, 4, 5), keepdims=True)) / np.sqrt(x.var((0, 3, 4, 5), keepdims=True) + EPS)
    return x.reshape(-1, C, H, W) * gamma[:, None, None] + beta[:, None, None]


def by_differences(value, arguments):
    """Gradients of a function of float64 arrays, from differences between values on either side."""
    step, gradients = 1e-6, []
    for argument in arguments:
        gradient = np.zeros_like(argument)
        for place in np.ndindex(argument.shape):
            kept = argument[place]
            argument[place] = kept + step
            above = value()
            argument[place] = kept - step
            gradient[place] = (above - value()) / (2 * step)
            argument[place] = kept
        gradients.append(gradient)
    return gradients


@pytest.mark.graph_mode(where=lambda row: row["b"] == 2)
@pytest.mark.parametrize("t, b", [(1, 1), (3, 1), (2, 2)])
def test_value_and_gradients_are_those_of_the_definition(mode, form, t, b):
    rng = np.random.default_rng(t)
    x, direction = 3 * rng.standard_normal((2, t * b, C, H, W)) + 1
    gamma, beta = rng.standard_normal((2, C))
    gamma[1] = 0  # a channel switched off has a gradient of gamma
    found = ms.value_and_grad(Projected(b), (0, 1, 2))(
        *(ms.Tensor(array, ms.float32) for array in (x, gamma, beta, direction))
    )
    expected = by_differences(lambda: (normalized(x, b, gamma, beta) * direction).sum(), (x, gamma, beta))
    np.testing.assert_allclose(found[0].asnumpy(), (normalized(x, b, gamma, beta) * direction).sum(), rtol=1e-5)
    for ours, theirs in zip(found[1], expected):
        np.testing.assert_allclose(ours.asnumpy(), theirs, atol=1e-4)


def test_a_large_mean_costs_no_precision(form):
    x = np.random.default_rng(0).standard_normal((3, C, H, W)) + 1000
    x = x.astype(np.float32).astype(np.float64)
    ones, zeros = np.ones(C), np.zeros(C)
    found = group_norm(ms.Tensor(x, ms.float32), 1, ms.Tensor(ones, ms.float32), ms.Tensor(zeros, ms.float32), GROUPS)
    np.testing.assert_allclose(found.asnumpy(), normalized(x, 1, ones, zeros), atol=1e-3)
