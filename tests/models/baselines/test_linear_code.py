import numpy as np
import pytest
from sklearn.decomposition import PCA

from mindone_tae.models.baselines.linear_code import LinearCode


def clips(rng, number=6):
    """Smooth random clips (3, 4, 16, 8)."""
    return [
        np.tanh(np.cumsum(rng.standard_normal((3, 4, 16, 8)), axis=2) / 3).astype(np.float32) for _ in range(number)
    ]


def blocks_of(x, t=2, s=4):
    """(c, t, h, w) to (blocks, c*t*s*s), one at a time."""
    _, frames, height, width = x.shape
    places = [(i, j, k) for i in range(0, frames, t) for j in range(0, height, s) for k in range(0, width, s)]
    return np.stack([x[:, i : i + t, j : j + s, k : k + s].ravel() for i, j, k in places])


def test_it_is_scikit_learns_principal_components_of_blocks():
    rng = np.random.default_rng(0)
    seen, new = clips(rng), clips(rng, 1)[0]
    code = LinearCode.fit(seen, 2, 4, 5)

    pca = PCA(5, svd_solver="full").fit(np.concatenate([blocks_of(clip) for clip in seen]).astype(np.float64))
    expected = pca.inverse_transform(pca.transform(blocks_of(new)))

    assert np.allclose(blocks_of(code(new[None])[0]), expected, atol=1e-5)
    assert code.encode(new[None]).shape == (1, 5, 2, 4, 2)


def test_clips_that_fill_no_whole_blocks_keep_their_shape():
    rng = np.random.default_rng(1)
    code = LinearCode.fit(clips(rng), 2, 4, 5)
    x = rng.uniform(-1, 1, (2, 3, 3, 10, 7)).astype(np.float32)

    assert code(x).shape == x.shape
    assert np.allclose(code(x[:, :, :2, :8, :4]), code(x)[:, :, :2, :8, :4], atol=1e-6)


def test_tall_frames_are_coded_in_strips_to_the_same_pixels():
    code = LinearCode()
    x = np.random.default_rng(3).uniform(-1, 1, (1, 3, 5, 203, 19)).astype(np.float32)
    np.testing.assert_allclose(code(x), code.decode(code.encode(x))[:, :, :5, :203, :19], atol=1e-5)


def test_a_saved_code_is_the_same_code_and_fewer_channels_are_its_leading_ones(tmp_path):
    rng = np.random.default_rng(2)
    code, x = LinearCode.fit(clips(rng), 2, 4, 5), clips(rng, 1)[0][None]
    code.save(tmp_path / "code.safetensors")

    assert np.array_equal(LinearCode(2, 4, 5, str(tmp_path / "code.safetensors"))(x), code(x))
    fewer = LinearCode(2, 4, 3, str(tmp_path / "code.safetensors"))
    assert np.allclose(fewer.encode(x), code.encode(x)[:, :3], atol=1e-6)


@pytest.mark.parametrize(
    "keywords, error",
    [
        (
            {"time_ratio": 4, "pretrained": "code"},
            "was fitted with .*'time_ratio': 2.* and is wanted with .*'time_ratio': 4",
        ),
        (
            {"time_ratio": 2, "space_ratio": 4, "latent_channels": 6, "pretrained": "code"},
            "was fitted with .*'latent_channels': 5",
        ),
        ({"time_ratio": 3}, "none is shipped for .*'time_ratio': 3.*mindone-tae linear-code"),
        ({"pretrained": "nothing"}, "nothing is no file"),
        ({"pretrained": "text"}, "is no linear code"),
    ],
)
def test_a_code_that_does_not_fit_is_refused(keywords, error, tmp_path):
    LinearCode.fit(clips(np.random.default_rng(3)), 2, 4, 5).save(tmp_path / "code.safetensors")
    (tmp_path / "text").write_text("no weights")
    if "pretrained" in keywords:
        keywords["pretrained"] = str(
            tmp_path / (keywords["pretrained"] + (".safetensors" if keywords["pretrained"] == "code" else ""))
        )

    with pytest.raises(ValueError, match=error):
        LinearCode(**keywords)


def test_the_package_carries_one_for_video_and_one_for_images():
    x = np.random.default_rng(5).uniform(-1, 1, (1, 3, 8, 16, 16)).astype(np.float32)
    assert LinearCode().encode(x).shape == (1, 16, 1, 2, 2)
    assert LinearCode(time_ratio=1).encode(x).shape == (1, 16, 8, 2, 2)


def test_too_few_blocks_are_refused():
    with pytest.raises(ValueError, match="hold 16 blocks; 16 components need more"):
        LinearCode.fit(clips(np.random.default_rng(4), 1), 2, 4, 16)
