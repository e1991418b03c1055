"""I3D's layers and tensors, named as in DeepMind's release: Inception inflated (Carreira and Zisserman, 2017)."""

from typing import NamedTuple

from mindone_tae.losses.frozen_network import FrozenNetwork


class Unit(NamedTuple):
    """Convolution of a cubic kernel, batch normalisation without a scale, ReLU."""

    width: int
    kernel: int
    stride: int = 1


class Pool(NamedTuple):
    """Maximum over windows, (t, h, w)."""

    window: tuple[int, int, int]
    stride: tuple[int, int, int]


class Mixed(NamedTuple):
    """Four branches side by side, joined over the channels: the widths of their units, in order."""

    widths: tuple[int, int, int, int, int, int]


# The units of a Mixed block's branches, (name, kernel). In the last one a pooling of 3x3x3 comes first.
BRANCHES = (
    (("Branch_0.Conv3d_0a_1x1", 1),),
    (("Branch_1.Conv3d_0a_1x1", 1), ("Branch_1.Conv3d_0b_3x3", 3)),
    (("Branch_2.Conv3d_0a_1x1", 1), ("Branch_2.Conv3d_0b_3x3", 3)),
    (("Branch_3.Conv3d_0b_1x1", 1),),
)
# Padding everywhere as TensorFlow's SAME.
STAGES = (
    ("Conv3d_1a_7x7", Unit(64, kernel=7, stride=2)),
    ("MaxPool3d_2a_3x3", Pool((1, 3, 3), (1, 2, 2))),
    ("Conv3d_2b_1x1", Unit(64, kernel=1)),
    ("Conv3d_2c_3x3", Unit(192, kernel=3)),
    ("MaxPool3d_3a_3x3", Pool((1, 3, 3), (1, 2, 2))),
    ("Mixed_3b", Mixed((64, 96, 128, 16, 32, 32))),
    ("Mixed_3c", Mixed((128, 128, 192, 32, 96, 64))),
    ("MaxPool3d_4a_3x3", Pool((3, 3, 3), (2, 2, 2))),
    ("Mixed_4b", Mixed((192, 96, 208, 16, 48, 64))),
    ("Mixed_4c", Mixed((160, 112, 224, 24, 64, 64))),
    ("Mixed_4d", Mixed((128, 128, 256, 24, 64, 64))),
    ("Mixed_4e", Mixed((112, 144, 288, 32, 64, 64))),
    ("Mixed_4f", Mixed((256, 160, 320, 32, 128, 128))),
    ("MaxPool3d_5a_2x2", Pool((2, 2, 2), (2, 2, 2))),
    ("Mixed_5b", Mixed((256, 160, 320, 32, 128, 128))),
    ("Mixed_5c", Mixed((384, 192, 384, 48, 128, 128))),
)
LOGITS = "Logits.Conv3d_0c_1x1"
CLASSES = 400
_LAST_WIDTH = 1024  # what the branches of Mixed_5c give together


def units():
    """Yields (name, channels in, channels out, kernel) of every convolution but the last."""
    channels = 3
    for name, stage in STAGES:
        if isinstance(stage, Unit):
            yield name, channels, stage.width, stage.kernel
            channels = stage.width
        elif isinstance(stage, Mixed):
            widths, joined = iter(stage.widths), 0
            for branch in BRANCHES:
                before = channels
                for unit, kernel in branch:
                    width = next(widths)
                    yield f"{name}.{unit}", before, width, kernel
                    before = width
                joined += before
            channels = joined


def _shapes():
    shapes = {}
    for name, before, width, kernel in units():
        shapes[f"{name}.weight"] = (width, before, kernel, kernel, kernel)
        shapes.update({f"{name}.{kind}": (width,) for kind in ("beta", "mean", "variance")})
    return {**shapes, f"{LOGITS}.weight": (CLASSES, _LAST_WIDTH, 1, 1, 1), f"{LOGITS}.bias": (CLASSES,)}


NETWORK = FrozenNetwork(
    title="I3D (RGB, Kinetics-400)",
    shapes=_shapes(),
    command="mindone-tae rfvd-weights --output models/i3d.safetensors",
)
