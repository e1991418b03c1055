"""Names and shapes written are those of PyTorch's modules of the same kind."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

import mindspore as ms

from mindone_tae import AutoencoderKLTAE

PUBLISHED = Path(__file__).parents[1] / "models" / "golden" / "parameters_ch32.txt"
WEIGHTS = "diffusion_pytorch_model.safetensors"


def as_pytorch(name, shape):
    """A published parameter under the name and shape that torch.nn's modules give it."""
    module, _, leaf = name.rpartition(".")
    if leaf in ("gamma", "beta"):  # torch.nn.GroupNorm
        return f"{module}.{'weight' if leaf == 'gamma' else 'bias'}", shape
    if leaf == "weight" and "_temp" in module:  # torch.nn.Conv1d
        return name, (shape[0], shape[1], shape[3])
    return name, shape  # torch.nn.Conv2d and Linear


def test_names_and_shapes_are_those_of_pytorchs_modules(tmp_path):
    published = [line.split() for line in PUBLISHED.read_text().splitlines()]
    shapes = {name: tuple(map(int, shape.split("x"))) for name, shape in published}
    AutoencoderKLTAE(block_out_channels=(32, 64, 128, 128)).save_pretrained(tmp_path)
    with safe_open(tmp_path / WEIGHTS, "numpy") as file:
        found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}
        assert file.metadata() == {"format": "pt"}
    assert found == dict(as_pytorch(name, shape) for name, shape in shapes.items())


# Builds for every module its torch.nn counterpart, loads the tensors into it, and runs one temporal convolution.
IN_PYTORCH = """
import sys
import numpy as np, torch
from safetensors.torch import load_file
from torch import nn

state = load_file(sys.argv[1])
modules = {}
for name, tensor in state.items():
    modules.setdefault(name.rpartition(".")[0], {})[name.rpartition(".")[2]] = tensor
for name, tensors in modules.items():
    shape = tensors["weight"].shape
    if ".norm" in name:
        module = nn.GroupNorm(2, shape[0])
    elif "_temp" in name:
        module = nn.Conv1d(shape[1], shape[0], shape[2], padding=shape[2] // 2, padding_mode="replicate")
    elif ".attn_1.1." in name:
        module = nn.Linear(shape[1], shape[0])
    else:
        module = nn.Conv2d(shape[1], shape[0], shape[2])
    module.load_state_dict(tensors, strict=True)
    if name == "encoder.conv_in.conv_temp":
        x = torch.from_numpy(np.load(sys.argv[2]))
        np.save(sys.argv[2], module(x).detach().numpy())
"""


@pytest.mark.torch
@pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch not installed: pip install 'mindone-tae[torch]' to compare"
)
def test_pytorchs_modules_load_it_and_compute_the_same(face, folder, tmp_path):
    x = np.random.default_rng(0).standard_normal((1, 4, 5)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    subprocess.run([sys.executable, "-c", IN_PYTORCH, folder / WEIGHTS, tmp_path / "x.npy"], check=True)
    frames = ms.Tensor(np.ascontiguousarray(x.transpose(2, 1, 0)[..., None]))  # (t, c, 1, 1)
    found = face.encoder.conv_in.conv_temp(frames, 1).asnumpy()[..., 0].transpose(2, 1, 0)
    np.testing.assert_allclose(found, np.load(tmp_path / "x.npy"), atol=1e-5)
