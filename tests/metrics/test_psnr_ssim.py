"""Claims on PSNR and SSIM."""

import json
import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage

from mindone_tae.metrics import PSNR, SSIM, frame_pairs
from mindone_tae.zoo.errors import UserError


def clip(noise=0.2, shape=(3, 4, 20, 24)):
    rng = np.random.default_rng(0)
    x = ndimage.gaussian_filter(rng.standard_normal(shape), (0, 1, 2, 2))
    x = np.clip(x / np.abs(x).max(), -1, 1)
    recon = x + noise * rng.standard_normal(shape) * np.arange(1, shape[1] + 1).reshape(1, -1, 1, 1)
    return recon.astype(np.float32), x.astype(np.float32)


def psnr_by_hand(recon, x):
    recon, x = (np.clip(v.astype(np.float64) / 2 + 0.5, 0, 1) for v in (recon, x))
    return np.mean([-10 * np.log10(np.mean((recon[:, i] - x[:, i]) ** 2)) for i in range(x.shape[1])])


def ssim_by_hand(recon, x):
    """Wang et al.'s formula over every 7x7 window that fits in, unbiased variances, K = 0.01 and 0.03."""
    recon, x = (np.clip(v.astype(np.float64) / 2 + 0.5, 0, 1) for v in (recon, x))
    a, b = (
        np.lib.stride_tricks.sliding_window_view(v, (7, 7), axis=(2, 3)).reshape(*v.shape[:2], -1, 49)
        for v in (recon, x)
    )
    mean_a, mean_b = a.mean(-1), b.mean(-1)
    covariance = ((a - mean_a[..., None]) * (b - mean_b[..., None])).sum(-1) / 48
    similarity = (2 * mean_a * mean_b + 1e-4) * (2 * covariance + 9e-4)
    return (similarity / ((mean_a**2 + mean_b**2 + 1e-4) * (a.var(-1, ddof=1) + b.var(-1, ddof=1) + 9e-4))).mean()


def test_psnr_is_the_mean_over_frames_of_the_formula():
    recon, x = clip()
    assert PSNR()(recon, x) == pytest.approx(psnr_by_hand(recon, x), rel=1e-6)


def test_psnr_of_a_known_error():
    x = np.zeros((3, 2, 8, 8), np.float32)
    assert PSNR()(x + 0.2, x) == pytest.approx(20, abs=1e-4)  # 0.1 off on the scale of [0, 1]


def test_ssim_is_the_mean_over_frames_of_the_formula():
    recon, x = clip(0.05)
    assert 0.1 < ssim_by_hand(recon, x) < 0.9
    assert SSIM()(recon, x) == pytest.approx(ssim_by_hand(recon, x), rel=1e-6)


def test_equal_clips_score_the_cap_and_one_and_stay_valid_json():
    _, x = clip()
    scores = [PSNR()(x, x), SSIM()(x, x)]
    assert scores == [100.0, pytest.approx(1.0)]
    assert all(type(score) is float for score in scores)
    json.dumps(scores, allow_nan=False)


def test_constant_clips_have_finite_scores():
    black, white = (np.full((3, 2, 8, 8), v, np.float32) for v in (-1, 1))
    assert PSNR()(black, white) == pytest.approx(0)
    assert SSIM()(black, white) == pytest.approx(1e-4 / (1 + 1e-4), rel=1e-6)
    assert (PSNR()(black, black), SSIM()(black, black)) == (100, 1)


@pytest.mark.parametrize("metric", [PSNR(), SSIM()], ids=["psnr", "ssim"])
def test_pixels_are_clipped_and_never_rounded(metric):
    x = np.ones((3, 1, 8, 8), np.float32)
    assert metric(x * 3, x) == metric(x, x)
    # a thousandth on [-1, 1] is an eighth of an 8-bit step: rounding would hide it
    recon = x - 0.001 * (np.indices((8, 8)).sum(0) % 2).astype(np.float32)
    assert metric(recon, x) < metric(x, x)


@pytest.mark.parametrize("metric", [PSNR(), SSIM()], ids=["psnr", "ssim"])
def test_broken_pixels_give_nan_not_a_score(metric):
    recon, x = clip()
    recon[0, 0, 0, 0] = np.nan
    assert np.isnan(metric(recon, x))


def test_frames_smaller_than_ssims_window_are_refused():
    x = np.zeros((3, 2, 6, 9), np.float32)
    with pytest.raises(UserError, match="6x9 pixels.*7x7"):
        SSIM()(x, x)


@pytest.mark.parametrize("metric", [PSNR(), SSIM()], ids=["psnr", "ssim"])
def test_clips_of_other_shapes_are_refused(metric):
    x = np.zeros((3, 2, 8, 8), np.float32)
    with pytest.raises(UserError, match=r"\(3, 1, 8, 8\).*\(3, 2, 8, 8\)"):
        metric(x[:, :1], x)
    with pytest.raises(UserError, match=r"\(1, 3, 2, 8, 8\).*\(c, t, h, w\)"):
        metric(x[None], x[None])
    with pytest.raises(UserError, match=r"\(3, 0, 8, 8\)"):
        metric(x[:, :0], x[:, :0])


@pytest.mark.parametrize("metric", [PSNR(), SSIM()], ids=["psnr", "ssim"])
@pytest.mark.parametrize("dtypes", [(np.uint8, np.uint8), (np.float32, np.uint8)])
def test_bytes_are_refused(metric, dtypes):
    recon, x = (np.full((3, 2, 8, 8), 200, dtype) for dtype in dtypes)
    with pytest.raises(UserError, match=r"a clip holds uint8; pixels are numbers in \[-1, 1\]: give bytes / 127.5 - 1"):
        metric(recon, x)


@pytest.mark.parametrize("metric", [PSNR(), SSIM()], ids=["psnr", "ssim"])
def test_the_protocol_states_range_and_rounding(metric):
    assert metric.higher_is_better is True
    for words in ("scikit-image", "data range 1.0", "no rounding", "mean over frames"):
        assert words in metric.protocol


def test_losses_and_metrics_are_named_without_mindspore():
    code = (
        "import sys; import mindone_tae.losses as l, mindone_tae.metrics as m; "
        "print(sorted(l.__all__), sorted(m.__all__), m.PSNR().name, m.SSIM().name); "
        "assert 'mindspore' not in sys.modules"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "TAELoss" in run.stdout and "LPIPSMetric" in run.stdout


def test_a_frame_cut_into_strips_scores_as_the_whole_one(monkeypatch):
    recon, x = clip(0.05, (3, 2, 40, 24))
    whole = [psnr_by_hand(recon, x), ssim_by_hand(recon, x)]
    monkeypatch.setattr(frame_pairs, "_STRIP_PX", 24 * 11)  # strips of 11 rows, the last one shorter
    assert [metric()(recon, x) for metric in (PSNR, SSIM)] == pytest.approx(whole, rel=1e-6)
