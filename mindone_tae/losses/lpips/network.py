"""LPIPS's network: which tensors it has."""

from ..frozen_network import FrozenNetwork

# VGG16's convolutions as the `lpips` package numbers them, stage by stage, and each stage's width.
STAGES = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
WIDTHS = (64, 128, 256, 512, 512)


def _shapes():
    """Name to shape, named as in `lpips.LPIPS(net='vgg').state_dict()`."""
    named = {}
    before = 3
    for stage, (layers, width) in enumerate(zip(STAGES, WIDTHS), start=1):
        for layer in layers:
            named[f"net.slice{stage}.{layer}.weight"] = (width, before, 3, 3)
            named[f"net.slice{stage}.{layer}.bias"] = (width,)
            before = width
        named[f"lin{stage - 1}.model.1.weight"] = (1, width, 1, 1)
    return named


NETWORK = FrozenNetwork(
    title="LPIPS (VGG16, version 0.1)",
    shapes=_shapes(),
    command="mindone-tae lpips-weights --output models/lpips_vgg16.safetensors",
    # The lpips package saves its linear layers twice, and the two constants of the input scaling.
    ignored=("lins.", "scaling_layer."),
)
