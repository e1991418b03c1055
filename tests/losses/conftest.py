"""Shared fixtures: random LPIPS weights."""

import numpy as np
import pytest
from safetensors.numpy import save_file

_CONVS = {1: (0, 2), 2: (5, 7), 3: (10, 12, 14), 4: (17, 19, 21), 5: (24, 26, 28)}


@pytest.fixture(scope="session")
def lpips_weights():
    """Named and shaped as `lpips.LPIPS(net='vgg').state_dict()`, without duplicates; linear weights are positive."""
    rng = np.random.default_rng(0)
    weights, before = {}, 3
    for stage, width in zip(range(1, 6), (64, 128, 256, 512, 512)):
        for layer in _CONVS[stage]:
            name = f"net.slice{stage}.{layer}"
            weights[name + ".weight"] = (rng.standard_normal((width, before, 3, 3)) * np.sqrt(2 / (9 * before))).astype(
                np.float32
            )
            weights[name + ".bias"] = (rng.standard_normal(width) * 0.1).astype(np.float32)
            before = width
        weights[f"lin{stage - 1}.model.1.weight"] = rng.uniform(0, 1, (1, width, 1, 1)).astype(np.float32)
    return weights


@pytest.fixture(scope="session")
def lpips_file(lpips_weights, tmp_path_factory):
    """Those weights in a file, with the duplicates that the real one has."""
    path = tmp_path_factory.mktemp("lpips") / "lpips_vgg.safetensors"
    lins = {name.replace("lin", "lins.", 1): weight for name, weight in lpips_weights.items() if name.startswith("lin")}
    scaling = {
        "scaling_layer.shift": np.zeros((1, 3, 1, 1), np.float32),
        "scaling_layer.scale": np.ones((1, 3, 1, 1), np.float32),
    }
    save_file({**lpips_weights, **lins, **scaling}, path)
    return str(path)


@pytest.fixture(scope="session")
def lpips_by_numpy(lpips_weights):
    """LPIPS of frames (n, 3, h, w), written from its paper in float64 NumPy: a function (recon, x) -> (n,)."""

    def convolve(x, weight, bias):
        n, c, h, w = x.shape
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        patches = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))  # (n, c, h, w, 3, 3)
        rows = patches.transpose(0, 2, 3, 1, 4, 5).reshape(n * h * w, c * 9)
        y = rows @ weight.reshape(len(weight), -1).T.astype(np.float64) + bias
        return y.reshape(n, h, w, -1).transpose(0, 3, 1, 2)

    def features(x):
        x = (x - np.reshape([-0.030, -0.088, -0.188], (3, 1, 1))) / np.reshape([0.458, 0.448, 0.450], (3, 1, 1))
        for stage, layers in _CONVS.items():
            if stage > 1:
                n, c, h, w = x.shape
                x = x[:, :, : h // 2 * 2, : w // 2 * 2].reshape(n, c, h // 2, 2, w // 2, 2).max(axis=(3, 5))
            for layer in layers:
                name = f"net.slice{stage}.{layer}"
                x = np.maximum(convolve(x, lpips_weights[name + ".weight"], lpips_weights[name + ".bias"]), 0)
            yield x

    def distance(recon, x):
        total = np.zeros(len(x))
        for i, (a, b) in enumerate(zip(features(recon.astype(np.float64)), features(x.astype(np.float64)))):
            a, b = (f / (np.linalg.norm(f, axis=1, keepdims=True) + 1e-10) for f in (a, b))
            weight = lpips_weights[f"lin{i}.model.1.weight"].reshape(1, -1, 1, 1)
            total += ((a - b) ** 2 * weight).sum(axis=1).mean(axis=(1, 2))
        return total

    return distance
