"""LPIPS against the `lpips` package, where PyTorch and that package are installed."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
from known_pairs import BY_TORCH, known_pairs
from test_lpips_known import FETCH, WEIGHTS

import mindspore as ms

from mindone_tae.losses import LPIPS

MISSING = [name for name in ("torch", "torchvision", "lpips") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(
        bool(MISSING),
        reason=f"{' and '.join(MISSING)} not installed: pip install torch torchvision lpips to compare with them",
    ),
]

# A process of its own: torch and MindSpore in one bring two OpenMP runtimes, and it may abort when it ends.
REFERENCE = """
import sys
import numpy as np, torch, lpips
from safetensors.torch import load_file

weights, kept = load_file(sys.argv[1]), ("lins.", "scaling_layer.")
if "wheel" in sys.argv[4:]:  # the package brings its own linear layers
    weights, kept = {name: weight for name, weight in weights.items() if name.startswith("net.")}, (*kept, "lin")
net = lpips.LPIPS(net="vgg", pretrained=len(kept) > 2, pnet_rand=True, verbose=False)
missing, unknown = net.load_state_dict(weights, strict=False)
assert not unknown and all(name.startswith(kept) for name in missing), (missing, unknown)
expected = {}
for name, frames in np.load(sys.argv[2]).items():
    recon, x = torch.from_numpy(frames)
    recon.requires_grad_()
    distance = net(recon, x)
    distance.sum().backward()
    expected[f"{name}.distance"] = distance.detach().numpy().ravel()
    expected[f"{name}.gradient"] = recon.grad.numpy()
np.savez(sys.argv[3], **expected)
"""


def reference(weights, frames, *words):
    """What the package computes of pairs of frames, (2, n, 3, h, w) by name."""
    expected = frames.with_name("expected.npz")
    subprocess.run([sys.executable, "-c", REFERENCE, weights, frames, expected, *words], check=True)
    return np.load(expected)


@pytest.fixture(scope="module")
def compared(lpips_weights, tmp_path_factory):
    """Frames by name, (2, n, 3, h, w), and what the package computes of them."""
    from safetensors.numpy import save_file

    folder, rng = tmp_path_factory.mktemp("lpips_torch"), np.random.default_rng(3)
    shapes = {"even": (2, 2, 3, 64, 48), "odd": (2, 1, 3, 37, 51)}
    frames = {name: rng.uniform(-1, 1, shape).astype(np.float32) for name, shape in shapes.items()}
    frames["near"] = np.stack([frames["even"][0], frames["even"][0] + rng.normal(0, 0.02, shapes["even"][1:])]).astype(
        np.float32
    )
    np.savez(folder / "frames.npz", **frames)
    save_file(lpips_weights, folder / "random.safetensors")
    expected = reference(folder / "random.safetensors", folder / "frames.npz")
    return LPIPS(str(folder / "random.safetensors")), frames, expected


@pytest.mark.parametrize("name", ["even", "odd", "near"])
def test_the_distance_of_random_weights_is_the_packages_to_1e4(compared, name):
    net, frames, expected = compared
    distance = net(*map(ms.Tensor, frames[name])).asnumpy()
    assert expected[f"{name}.distance"].min() > 1e-3
    np.testing.assert_allclose(distance, expected[f"{name}.distance"], rtol=1e-4)


@pytest.mark.parametrize("name", ["even", "odd"])
def test_its_gradient_is_the_packages(compared, name):
    net, frames, expected = compared
    gradient = ms.grad(lambda recon, x: net(recon, x).sum())(*map(ms.Tensor, frames[name])).asnumpy()
    largest = np.abs(expected[f"{name}.gradient"]).max()
    np.testing.assert_allclose(gradient, expected[f"{name}.gradient"], atol=1e-3 * largest)


@pytest.mark.skipif(not WEIGHTS.is_file(), reason=FETCH)
def test_known_pairs_with_the_real_weights_are_the_packages_with_its_own_linear_layers(tmp_path):
    pairs = known_pairs()
    np.savez(tmp_path / "pairs.npz", **{name: pair[:, None] for name, pair in pairs.items()})
    expected, net = reference(WEIGHTS, tmp_path / "pairs.npz", "wheel"), LPIPS(str(WEIGHTS))
    for name, pair in pairs.items():
        found = net(*(ms.Tensor(frame[None]) for frame in pair)).asnumpy()
        np.testing.assert_allclose(found, expected[f"{name}.distance"], rtol=1e-5, err_msg=name)
        assert float(found[0]) == pytest.approx(BY_TORCH[name], abs=2e-6)
