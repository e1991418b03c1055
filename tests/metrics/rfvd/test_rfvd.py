"""Claims on rFVD as a metric of a set; network, distance and resizing are held to others in their own tests."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file
from scipy import ndimage

import mindspore as ms

from mindone_tae.metrics import RFVD
from mindone_tae.metrics.rfvd import metric as module
from mindone_tae.metrics.rfvd.frechet import frechet_distance
from mindone_tae.metrics.rfvd.i3d import I3D
from mindone_tae.zoo.errors import UserError

RNG = np.random.default_rng(0)


def clips(count, shape=(3, 9, 20, 28)):
    found = ndimage.gaussian_filter(RNG.standard_normal((count, *shape)), (0, 0, 1, 2, 2))
    return (found / np.abs(found).max()).astype(np.float32)


@pytest.fixture
def rfvd(narrow_weights, tmp_path, monkeypatch):
    save_file(narrow_weights, tmp_path / "narrow.safetensors")
    shapes = {name: weight.shape for name, weight in narrow_weights.items()}
    monkeypatch.setattr(module, "NETWORK", module.NETWORK._replace(shapes=shapes))
    return RFVD(i3d_path=str(tmp_path / "narrow.safetensors"))


def test_it_is_the_distance_between_the_features_of_reconstructions_and_videos(rfvd, narrow_weights):
    x = clips(2)
    recon = x + 0.3 * clips(2)
    collected = [rfvd.collect(*pair) for pair in zip(recon, x)]
    net, features = I3D(narrow_weights), []
    for group in (np.clip(recon, -1, 1), x):
        planes = ms.Tensor(group.reshape(2, 3 * 9, 20, 28))
        resized = ms.ops.interpolate(planes, (224, 224), mode="bilinear", align_corners=False)
        features.append(net(resized.reshape(2, 3, 9, 224, 224)).asnumpy())
    expected = frechet_distance(*features)
    assert expected > 0
    assert rfvd.finish(collected) == pytest.approx(expected, rel=1e-3)


def test_equal_sets_score_zero_and_less_is_better(rfvd):
    x, noise = clips(2), clips(2)
    pairs = {share: [(clip + share * more, clip) for clip, more in zip(x, noise)] for share in (0, 0.1, 0.5)}
    scores = [rfvd.finish([rfvd.collect(*pair) for pair in pairs[share]]) for share in pairs]
    assert scores[0] == pytest.approx(0, abs=1e-6)
    assert scores[0] < scores[1] < scores[2] and rfvd.higher_is_better is False


def test_it_is_of_the_set_the_order_of_clips_does_not_count(rfvd):
    x = clips(3)
    collected = [rfvd.collect(clip + 0.1 * x[0], clip) for clip in x]
    assert rfvd.finish(collected[::-1]) == pytest.approx(rfvd.finish(collected), rel=1e-6)


def test_a_baseline_on_the_same_video_is_measured_against_that_video(rfvd):
    first, second = clips(2)
    kept = rfvd.collect(first * 0.5, first)
    again = rfvd.collect(first * 0.2, first)
    other = rfvd.collect(second * 0.2, second)
    assert again["x"] == kept["x"] != other["x"]
    assert again["recon"] != kept["recon"]
    changed = first.copy()
    rfvd.collect(changed, changed)
    changed[:] = second
    assert rfvd.collect(changed, changed)["x"] == other["x"]


def test_what_is_kept_of_a_clip_is_json(rfvd):
    x = clips(1)[0]
    kept = rfvd.collect(x, x)
    assert len(kept["recon"]) == len(kept["x"]) == 400 and kept["shape"] == [9, 20, 28]
    assert json.loads(json.dumps(kept)) == kept


def test_pixels_beyond_the_range_are_clipped_and_broken_ones_give_nan(rfvd):
    x = clips(2)
    assert rfvd.collect(x[0] * 4, x[0])["recon"] == rfvd.collect(np.clip(x[0] * 4, -1, 1), x[0])["recon"]
    broken = x.copy()
    broken[1, 0, 0, 0, 0] = np.nan
    assert np.isnan(rfvd.finish([rfvd.collect(*pair) for pair in zip(broken, x)]))


def test_the_facts_of_a_set_and_what_it_warns_of(rfvd):
    kept = {"recon": [0.0] * 400, "x": [0.0] * 400}
    same = rfvd.describe([{**kept, "shape": [16, 64, 64]}] * 401)
    assert same == {"clips": 401, "frames": [16], "sizes": [[64, 64]], "features": 400, "warnings": []}
    mixed = rfvd.describe([{**kept, "shape": [16, 64, 64]}, {**kept, "shape": [9, 64, 48]}])
    assert mixed["frames"] == [9, 16] and mixed["sizes"] == [[64, 48], [64, 64]]
    assert "2 clips for 400 features" in mixed["warnings"][0] and "2 lengths" in mixed["warnings"][1]


def test_the_protocol_names_features_size_resampling_and_covariance():
    assert RFVD.name == "rfvd" and RFVD.min_clips == 2
    for words in ("400 logits", "Kinetics-400", "224x224", "bilinear", "no antialiasing", "no rounding", "clips - 1"):
        assert words in RFVD.protocol


@pytest.mark.parametrize("path", [None, "nowhere.safetensors"])
def test_without_its_weights_it_says_how_to_get_them(path):
    with pytest.raises(
        UserError, match=r"i3d_path is.*run mindone-tae rfvd-weights --output .*i3d_path to the file"
    ) as caught:
        RFVD(i3d_path=path)
    assert "\n" not in str(caught.value)


def test_clips_it_cannot_take_are_refused(rfvd):
    x = clips(1)[0]
    with pytest.raises(UserError, match="must be equal"):
        rfvd.collect(x[:, :8], x)
    with pytest.raises(UserError, match=r"\(3, 8, 20, 28\).*at least 9 frames"):
        rfvd.collect(x[:, :8], x[:, :8])
    with pytest.raises(UserError, match=r"\(1, 9, 20, 28\)"):
        rfvd.collect(x[:1], x[:1])
