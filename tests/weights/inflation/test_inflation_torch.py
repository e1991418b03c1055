"""The image VAE and the inflated TAE against diffusers' AutoencoderKL, where PyTorch is installed."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

import mindspore as ms

from mindone_tae.models.autoencoder import TemporalAutoencoder
from mindone_tae.models.baselines.sd3_vae import SD3VAE
from mindone_tae.weights import inflate

MISSING = [name for name in ("torch", "diffusers") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(
        bool(MISSING),
        reason=f"{' and '.join(MISSING)} not installed: pip install 'mindone-tae[torch]' to compare with diffusers",
    ),
]

# A process of its own: torch and MindSpore in one bring two OpenMP runtimes, and it may abort when it ends.
REFERENCE = """
import sys
import numpy as np, torch
from diffusers import AutoencoderKL

folder, widths, groups, layers, latent = sys.argv[1], [int(w) for w in sys.argv[2].split(",")], *map(int, sys.argv[3:6])
torch.manual_seed(0)
vae = AutoencoderKL(
    in_channels=3, out_channels=3, latent_channels=latent, block_out_channels=widths, layers_per_block=layers,
    norm_num_groups=groups,
    down_block_types=["DownEncoderBlock2D"] * len(widths), up_block_types=["UpDecoderBlock2D"] * len(widths),
    use_quant_conv=False, use_post_quant_conv=False, scaling_factor=1.5305, shift_factor=0.0609,
).eval()
with torch.no_grad():
    for parameter in vae.parameters():
        if parameter.ndim == 1:
            parameter += 0.1 * torch.randn_like(parameter)  # norms and biases that do something
    vae.save_pretrained(folder, max_shard_size=sys.argv[6])
    x = torch.rand(2, 3, 32, 48) * 2 - 1
    posterior = vae.encode(x).latent_dist
    recon = vae.decode(posterior.mean).sample
np.savez(f"{folder}/expected.npz", x=x, mean=posterior.mean, logvar=posterior.logvar, recon=recon)
"""
CASES = [((8, 8, 16, 16), 4, 2, 4, "1GB"), ((32, 64, 64, 64), 32, 1, 16, "500KB"), ((16, 24), 8, 2, 6, "1GB")]


@pytest.fixture(params=CASES, ids=["8-8-16-16", "32-64-64-64-sharded", "16-24"])
def case(request, tmp_path):
    """Folder of a random AutoencoderKL, its constructor keywords here, and what diffusers computes."""
    widths, groups, layers, latent, shard = request.param
    arguments = [tmp_path / "vae", ",".join(map(str, widths)), *map(str, (groups, layers, latent)), shard]
    subprocess.run([sys.executable, "-c", REFERENCE, *arguments], check=True)
    keywords = {
        "block_out_channels": widths,
        "norm_num_groups": groups,
        "layers_per_block": layers,
        "latent_channels": latent,
    }
    return tmp_path / "vae", keywords, np.load(tmp_path / "vae" / "expected.npz")


def assert_codes_as_expected(model, expected):
    _, mean, logvar = model.encode(ms.Tensor(expected["x"][:, :, None]))
    recon = model.decode(ms.Tensor(expected["mean"][:, :, None])).asnumpy()
    np.testing.assert_allclose(mean.asnumpy()[:, :, 0], expected["mean"], atol=1e-4, rtol=0)
    np.testing.assert_allclose(logvar.asnumpy()[:, :, 0], expected["logvar"], atol=1e-4, rtol=0)
    for t in range(recon.shape[2]):
        np.testing.assert_allclose(recon[:, :, t], expected["recon"], atol=1e-4, rtol=0)


def test_the_image_vae_computes_what_diffusers_does(case):
    folder, keywords, expected = case
    assert_codes_as_expected(SD3VAE(**keywords, pretrained=str(folder)), expected)


def test_the_inflated_tae_computes_what_diffusers_does_on_an_image(case, tmp_path):
    folder, keywords, expected = case
    inflate(folder, tmp_path / "tae.safetensors")
    assert_codes_as_expected(TemporalAutoencoder(**keywords, pretrained=str(tmp_path / "tae.safetensors")), expected)
