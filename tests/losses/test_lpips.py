"""Claims on LPIPS and the file it is read from."""

import numpy as np
import pytest
from safetensors.numpy import save_file

import mindspore as ms

from mindone_tae.losses import LPIPS
from mindone_tae.zoo.errors import UserError

SHAPE = (2, 3, 32, 40)
RECON, X = np.random.default_rng(1).uniform(-1, 1, (2, *SHAPE)).astype(np.float32)


def test_equals_numpy(mode, lpips_file, lpips_by_numpy):
    distance = LPIPS(lpips_file)(ms.Tensor(RECON), ms.Tensor(X))
    assert distance.shape == (2,) and distance.dtype == ms.float32
    np.testing.assert_allclose(distance.asnumpy(), lpips_by_numpy(RECON, X), rtol=1e-3)


def test_sizes_that_do_not_halve_evenly_lose_the_odd_row(lpips_file, lpips_by_numpy):
    recon, x = RECON[:1, :, :19, :27], X[:1, :, :19, :27]
    np.testing.assert_allclose(
        LPIPS(lpips_file)(ms.Tensor(recon), ms.Tensor(x)).asnumpy(), lpips_by_numpy(recon, x), rtol=1e-3
    )


def test_equal_frames_are_at_distance_zero(lpips_file):
    assert LPIPS(lpips_file)(ms.Tensor(X), ms.Tensor(X)).asnumpy().tolist() == [0, 0]


def test_half_precision_frames_are_compared_in_float32(lpips_file, lpips_by_numpy):
    recon, x = RECON.astype(np.float16), X.astype(np.float16)
    distance = LPIPS(lpips_file)(ms.Tensor(recon), ms.Tensor(x))
    assert distance.dtype == ms.float32
    np.testing.assert_allclose(distance.asnumpy(), lpips_by_numpy(recon, x), rtol=1e-3)


def test_gradient_reaches_the_frames_and_equals_finite_differences(lpips_file, lpips_by_numpy):
    recon, x = RECON[:1, :, :16, :16], X[:1, :, :16, :16]
    net = LPIPS(lpips_file)
    gradient = ms.grad(lambda frames: net(frames, ms.Tensor(x)).sum())(ms.Tensor(recon)).asnumpy()
    rng, step = np.random.default_rng(2), 1e-6
    for _ in range(3):
        at = tuple(rng.integers(recon.shape))
        ends = []
        for sign in (1, -1):
            moved = recon.astype(np.float64)
            moved[at] += sign * step
            ends.append(lpips_by_numpy(moved, x)[0])
        assert gradient[at] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=5e-3, abs=1e-5)


def test_positions_where_every_feature_is_zero_have_a_finite_gradient(mode, lpips_file):
    net = LPIPS(lpips_file)

    def weighed(features):
        return (net.unit(features) * features).sum()

    features = np.array([[3.0, 0.0], [4.0, 0.0]], np.float32).reshape(1, 2, 1, 2)  # the second position is dead
    value, gradient = ms.value_and_grad(weighed)(ms.Tensor(features))
    assert float(value) == pytest.approx(5)  # the length of (3, 4)
    np.testing.assert_allclose(gradient.asnumpy().reshape(2, 2), [[0.6, 0], [0.8, 0]], atol=1e-6)


def test_no_weight_is_trained(lpips_file):
    net = LPIPS(lpips_file)
    assert net.trainable_params() == []
    assert len(list(net.get_parameters())) == 2 * 13 + 5


def test_half_precision_files_hold_the_same_weights_rounded(lpips_weights, tmp_path):
    save_file(
        {name: weight.astype(np.float16) for name, weight in lpips_weights.items()}, tmp_path / "half.safetensors"
    )
    rounded = {name: weight.astype(np.float16).astype(np.float32) for name, weight in lpips_weights.items()}
    save_file(rounded, tmp_path / "full.safetensors")
    files = (str(tmp_path / name) for name in ("half.safetensors", "full.safetensors"))
    half, full = (LPIPS(path)(ms.Tensor(RECON), ms.Tensor(X)).asnumpy() for path in files)
    np.testing.assert_array_equal(half, full)


def test_a_missing_file_says_how_to_make_it():
    with pytest.raises(UserError) as caught:
        LPIPS("nowhere/lpips.safetensors")
    message = str(caught.value)
    assert "nowhere/lpips.safetensors" in message
    assert "loss.lpips_path" in message
    assert "\n" not in message
    assert "run mindone-tae lpips-weights --output models/lpips_vgg16.safetensors" in message


def test_every_unfit_tensor_is_listed_at_once(lpips_weights, tmp_path):
    weights = dict(lpips_weights)
    del weights["net.slice3.12.bias"], weights["lin4.model.1.weight"]
    weights["net.slice1.0.weight"] = np.zeros((64, 1, 3, 3), np.float32)
    weights["lin0.model.1.weight"] = weights["lin0.model.1.weight"].astype(np.float64)
    weights["net.slice6.0.weight"] = np.zeros(3, np.float32)
    save_file(weights, tmp_path / "unfit.safetensors")
    with pytest.raises(UserError) as caught:
        LPIPS(str(tmp_path / "unfit.safetensors"))
    for fault in (
        "net.slice3.12.bias is missing",
        "lin4.model.1.weight is missing",
        "net.slice1.0.weight is (64, 1, 3, 3), must be (64, 3, 3, 3)",
        "lin0.model.1.weight is F64",
        "net.slice6.0.weight is unknown",
    ):
        assert fault in str(caught.value)


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "vgg.pth").write_bytes(b"PK\x03\x04 not safetensors at all")
    with pytest.raises(UserError, match="vgg.pth.*must be a safetensors file"):
        LPIPS(str(tmp_path / "vgg.pth"))


@pytest.mark.parametrize("shape", [(1, 3, 15, 32), (1, 1, 32, 32)], ids=["small", "grey"])
def test_frames_it_cannot_take_are_refused(mode, shape, lpips_file):
    frames = ms.Tensor(np.zeros(shape, np.float32))
    with pytest.raises(UserError, match=r"\(n, 3, h, w\).*16"):
        LPIPS(lpips_file)(frames, frames)
