"""I3D an eighth as wide, with numbers drawn at random, and the same network in NumPy, from its paper and release."""

import numpy as np
import pytest

# DeepMind's Inception blocks: widths of the branches' units (1x1; 1x1, 3x3; 1x1, 3x3; 1x1 after a pooling), over 8.
BLOCKS = {
    "Mixed_3b": (8, 12, 16, 2, 4, 4),
    "Mixed_3c": (16, 16, 24, 4, 12, 8),
    "Mixed_4b": (24, 12, 26, 2, 6, 8),
    "Mixed_4c": (20, 14, 28, 3, 8, 8),
    "Mixed_4d": (16, 16, 32, 3, 8, 8),
    "Mixed_4e": (14, 18, 36, 4, 8, 8),
    "Mixed_4f": (32, 20, 40, 4, 16, 16),
    "Mixed_5b": (32, 20, 40, 4, 16, 16),
    "Mixed_5c": (48, 24, 48, 6, 16, 16),
}
CLASSES = 400


@pytest.fixture(scope="session")
def narrow_weights():
    """Name to array, named as DeepMind's release names its variables."""
    rng, weights = np.random.default_rng(0), {}

    def unit(name, before, width, kernel):
        fan_in = before * kernel**3
        weights[f"{name}.weight"] = rng.standard_normal((width, before, kernel, kernel, kernel)) * np.sqrt(2 / fan_in)
        weights[f"{name}.beta"] = rng.standard_normal(width) * 0.1
        weights[f"{name}.mean"] = rng.standard_normal(width) * 0.1
        weights[f"{name}.variance"] = rng.uniform(0.5, 2, width)
        return width

    unit("Conv3d_1a_7x7", 3, 8, 7)
    unit("Conv3d_2b_1x1", 8, 8, 1)
    before = unit("Conv3d_2c_3x3", 8, 24, 3)
    for name, (a, b1, b2, c1, c2, d) in BLOCKS.items():
        unit(f"{name}.Branch_0.Conv3d_0a_1x1", before, a, 1)
        unit(f"{name}.Branch_1.Conv3d_0b_3x3", unit(f"{name}.Branch_1.Conv3d_0a_1x1", before, b1, 1), b2, 3)
        unit(f"{name}.Branch_2.Conv3d_0b_3x3", unit(f"{name}.Branch_2.Conv3d_0a_1x1", before, c1, 1), c2, 3)
        unit(f"{name}.Branch_3.Conv3d_0b_1x1", before, d, 1)
        before = a + b2 + c2 + d
    weights["Logits.Conv3d_0c_1x1.weight"] = rng.standard_normal((CLASSES, before, 1, 1, 1)) * before**-0.5
    weights["Logits.Conv3d_0c_1x1.bias"] = rng.standard_normal(CLASSES) * 0.1
    return {name: array.astype(np.float32) for name, array in weights.items()}


def windows(x, window, stride, outside):
    """TensorFlow's SAME: ceil(n / stride) windows an axis, what is missing added on both sides, the odd one behind.

    Args:
        x: (c, t, h, w).
        window, stride: (t, h, w).
        outside: the number beyond the border.

    Returns:
        (c, t', h', w', *window).
    """
    pads = [(0, 0)]
    for length, size, step in zip(x.shape[1:], window, stride):
        missing = max((-(-length // step) - 1) * step + size - length, 0)
        pads.append((missing // 2, missing - missing // 2))
    padded = np.pad(x, pads, constant_values=outside)
    view = np.lib.stride_tricks.sliding_window_view(padded, window, axis=(1, 2, 3))
    return view[:, :: stride[0], :: stride[1], :: stride[2]]


def pooled(x, window, stride):
    return windows(x, window, stride, -np.inf).max(axis=(4, 5, 6))


@pytest.fixture(scope="session")
def i3d_by_numpy(narrow_weights):
    """A function from (3, t, h, w) to a dict of what each stage gives, float64."""
    weights = {name: array.astype(np.float64) for name, array in narrow_weights.items()}

    def unit(x, name, stride=1):
        weight = weights[f"{name}.weight"]
        x = np.einsum("cthwijk,ocijk->othw", windows(x, weight.shape[2:], (stride,) * 3, 0), weight, optimize=True)
        column = {kind: weights[f"{name}.{kind}"].reshape(-1, 1, 1, 1) for kind in ("beta", "mean", "variance")}
        return np.maximum((x - column["mean"]) / np.sqrt(column["variance"] + 1e-3) + column["beta"], 0)

    def mixed(x, name):
        branches = (
            unit(x, f"{name}.Branch_0.Conv3d_0a_1x1"),
            unit(unit(x, f"{name}.Branch_1.Conv3d_0a_1x1"), f"{name}.Branch_1.Conv3d_0b_3x3"),
            unit(unit(x, f"{name}.Branch_2.Conv3d_0a_1x1"), f"{name}.Branch_2.Conv3d_0b_3x3"),
            unit(pooled(x, (3, 3, 3), (1, 1, 1)), f"{name}.Branch_3.Conv3d_0b_1x1"),
        )
        return np.concatenate(branches)

    def network(x):
        found = {}
        x = found["Conv3d_1a_7x7"] = unit(x.astype(np.float64), "Conv3d_1a_7x7", 2)
        x = found["MaxPool3d_2a_3x3"] = pooled(x, (1, 3, 3), (1, 2, 2))
        x = found["Conv3d_2b_1x1"] = unit(x, "Conv3d_2b_1x1")
        x = found["Conv3d_2c_3x3"] = unit(x, "Conv3d_2c_3x3")
        x = found["MaxPool3d_3a_3x3"] = pooled(x, (1, 3, 3), (1, 2, 2))
        for name in BLOCKS:
            if name == "Mixed_4b":
                x = found["MaxPool3d_4a_3x3"] = pooled(x, (3, 3, 3), (2, 2, 2))
            elif name == "Mixed_5b":
                x = found["MaxPool3d_5a_2x2"] = pooled(x, (2, 2, 2), (2, 2, 2))
            x = found[name] = mixed(x, name)
        return found

    return network


@pytest.fixture(scope="session")
def logits_by_numpy(narrow_weights):
    """A function from the last stage's (c, t, 7, 7) to (400,): means of 2x7x7 without padding, then the classifier."""

    def head(x):
        view = np.lib.stride_tricks.sliding_window_view(x, (2, 7, 7), axis=(1, 2, 3))  # (c, t - 1, 1, 1, 2, 7, 7)
        average = view.mean(axis=(4, 5, 6))[:, :, 0, 0]  # (c, t - 1)
        weight, bias = (
            narrow_weights[f"Logits.Conv3d_0c_1x1.{kind}"].astype(np.float64) for kind in ("weight", "bias")
        )
        return (weight[:, :, 0, 0, 0] @ average + bias[:, None]).mean(axis=1)

    return head
