"""Claims on the pixel losses."""

import numpy as np
import pytest

import mindspore as ms

from mindone_tae.losses import L1Loss, MSELoss
from mindone_tae.zoo.errors import UserError

pytestmark = pytest.mark.usefixtures("mode")

SHAPE = (2, 3, 4, 5, 6)
RECON, X = np.random.default_rng(0).uniform(-1, 1, (2, *SHAPE)).astype(np.float32)


@pytest.mark.parametrize("loss, power", [(L1Loss, 1), (MSELoss, 2)])
def test_frame_sum_adds_up_each_frame_and_averages_the_frames(loss, power):
    distance = np.abs(RECON.astype(np.float64) - X) ** power
    frames = [distance[i, :, j].sum() for i in range(2) for j in range(4)]
    assert float(loss()(ms.Tensor(RECON), ms.Tensor(X))) == pytest.approx(np.mean(frames), rel=1e-5)


@pytest.mark.parametrize("loss, power", [(L1Loss, 1), (MSELoss, 2)])
def test_mean_averages_over_everything(loss, power):
    expected = (np.abs(RECON.astype(np.float64) - X) ** power).mean()
    assert float(loss("mean")(ms.Tensor(RECON), ms.Tensor(X))) == pytest.approx(expected, rel=1e-5)


def test_only_the_first_output_and_the_first_column_count():
    recon, x, other = ms.Tensor(RECON), ms.Tensor(X), ms.Tensor(np.full((1, 2), 7, np.float32))
    assert float(L1Loss()((recon, other, other), x, other)) == float(L1Loss()(recon, x))


@pytest.mark.parametrize("dtype", [ms.float16, ms.bfloat16])
def test_half_precision_is_summed_in_float32(dtype):
    recon = ms.Tensor(np.full((1, 3, 1, 256, 256), 1, np.float32)).astype(dtype)
    loss = L1Loss()(recon, ms.Tensor(np.zeros((1, 3, 1, 256, 256), np.float32)).astype(dtype))
    assert loss.dtype == ms.float32
    assert float(loss) == 3 * 256 * 256  # beyond float16, and beyond bfloat16's whole numbers


def test_frames_that_would_broadcast_are_refused():
    with pytest.raises(UserError, match=r"\(2, 3, 1, 5, 6\).*\(2, 3, 4, 5, 6\).*must be equal"):
        L1Loss()(ms.Tensor(RECON[:, :, :1]), ms.Tensor(X))


def test_frames_without_a_time_axis_are_refused():
    with pytest.raises(UserError, match=r"\(2, 3, 5, 6\).*\(b, c, t, h, w\)"):
        L1Loss()(ms.Tensor(RECON[:, :, 0]), ms.Tensor(X[:, :, 0]))


def test_an_unknown_reduction_names_the_known_ones():
    with pytest.raises(UserError, match="'sum'.*frame_sum, mean"):
        L1Loss(reduction="sum")


@pytest.mark.parametrize("loss, power", [(L1Loss, 1), (MSELoss, 2)])
def test_gradient_equals_finite_differences(loss, power):
    gradient = ms.grad(loss())(ms.Tensor(RECON), ms.Tensor(X)).asnumpy()
    rng, step = np.random.default_rng(1), 1e-6
    for _ in range(5):
        at = tuple(rng.integers(SHAPE))
        ends = []
        for sign in (1, -1):
            moved = RECON.astype(np.float64)
            moved[at] += sign * step
            ends.append((np.abs(moved - X) ** power).sum() / 8)
        assert gradient[at] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-3)
