"""Claims on LPIPS as a metric; the distance itself is held to NumPy in the losses' tests."""

import numpy as np
import pytest
from safetensors.numpy import save_file

import mindspore as ms

from mindone_tae.losses import LPIPS
from mindone_tae.metrics import LPIPSMetric
from mindone_tae.zoo.errors import UserError

RECON, X = np.random.default_rng(0).uniform(-1, 1, (2, 3, 3, 16, 24)).astype(np.float32)


@pytest.fixture(scope="module")
def lpips_file(tmp_path_factory):
    rng, weights, before = np.random.default_rng(1), {}, 3
    stages = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
    for i, (layers, width) in enumerate(zip(stages, (64, 128, 256, 512, 512))):
        for layer in layers:
            weight = rng.standard_normal((width, before, 3, 3), np.float32) * (2 / (9 * before)) ** 0.5
            weights[f"net.slice{i + 1}.{layer}.weight"] = weight.astype(np.float32)
            weights[f"net.slice{i + 1}.{layer}.bias"] = np.zeros(width, np.float32)
            before = width
        weights[f"lin{i}.model.1.weight"] = rng.uniform(0, 1, (1, width, 1, 1)).astype(np.float32)
    path = tmp_path_factory.mktemp("lpips_metric") / "lpips_vgg.safetensors"
    save_file(weights, path)
    return str(path)


@pytest.fixture(scope="module")
def metric(lpips_file):
    return LPIPSMetric(lpips_path=lpips_file)


def test_is_the_mean_over_frames_of_the_distance(metric, lpips_file):
    frames = [ms.Tensor(np.ascontiguousarray(clip.transpose(1, 0, 2, 3))) for clip in (RECON, X)]
    distances = LPIPS(lpips_file)(*frames).asnumpy()
    assert np.ptp(distances) > 0
    score = metric(RECON, X)
    assert type(score) is float
    assert score == pytest.approx(distances.mean(), rel=1e-4)


def test_equal_clips_score_zero_and_less_is_better(metric):
    assert metric(X, X) == 0
    assert 0 < metric(0.9 * X + 0.1 * RECON, X) < metric(RECON, X)
    assert metric.higher_is_better is False


def test_pixels_beyond_the_range_are_clipped(metric):
    assert metric(RECON * 4, X) == pytest.approx(metric(np.clip(RECON * 4, -1, 1), X), rel=1e-6)


def test_the_protocol_names_the_network(metric):
    assert metric.name == "lpips"
    assert "VGG16" in metric.protocol and "mean over frames" in metric.protocol


@pytest.mark.parametrize("path", [None, "nowhere.safetensors"])
def test_without_its_weights_it_says_how_to_get_them(path):
    with pytest.raises(
        UserError, match=r"lpips_path is.*run mindone-tae lpips-weights --output.*lpips_path to the file"
    ) as caught:
        LPIPSMetric(lpips_path=path)
    assert path is None or path in str(caught.value)


def test_clips_of_other_shapes_are_refused(metric):
    with pytest.raises(UserError, match="must be equal"):
        metric(RECON[:, :1], X)
    with pytest.raises(UserError, match=r"\(n, 3, h, w\)"):
        metric(RECON[:1], X[:1])
