"""Initial values under which an untrained network is a linear code: a clip's brightness and contrast pass through it.

Initialized at random, this autoencoder learns slowly and generalizes poorly: every group norm removes a clip's mean and
scale, which the network must learn to restore. Here one channel of each norm group (its reference) carries a constant
larger than the signals beside it, so that the group's statistics hardly depend on the clip and the norm is close to an
affine map; residual blocks and attention add zero; and channels come in pairs of opposite sign, so that
SiLU(a) - SiLU(-a) = a makes the last layer linear in spite of its activation (the looks-linear initialization of
Balduzzi et al., arXiv 1702.08591, section 4). These are values of ordinary parameters, which training changes freely.
"""

from __future__ import annotations

import re
from binascii import crc32

import numpy as np

import mindspore as ms

# A reference's constant over the square root of its group's channels; the signals beside it have an RMS of about 1.
_REFERENCE = 2.0
# Log-variance of the posterior at the start: its standard deviation is a twentieth of the latent's.
_LOGVAR = -6.0
_CARRYING = re.compile(r"(^|\.)(conv_in|nin_shortcut|(down|up)sample(_spat)?\.conv)(\.conv_spat)?\.(weight|bias)$")
_LAST = re.compile(r"\.conv_out(\.conv_spat)?\.(weight|bias)$")
_ADDING = re.compile(r"\.(conv2(\.conv_spat)?|attn_1(\.\d)?\.proj_out)\.weight$")
_NORM = re.compile(r"\.(gamma|beta)$")


def check_start(start: str) -> None:
    """Raises ValueError unless start is "random" or "linear"."""
    if start not in ("random", "linear"):
        raise ValueError(f"start is {start!r}; it must be 'random' or 'linear': 'random' is the published network's")


def start_linear(network, norm_num_groups: int) -> None:
    """Sets the parameters of a TAE or an image VAE to the values described above, the same at every call.

    Args:
        network: has `encoder` and `decoder`, its parameters under their published names.
        norm_num_groups: of its norms; fewer groups need fewer references.
    """
    for name, parameter in network.parameters_and_names():
        array = starting_value(name, tuple(parameter.shape), norm_num_groups)
        if array is not None:
            parameter.set_data(ms.Tensor(array.astype(np.float32)))


def starting_value(name: str, shape: tuple[int, ...], norm_num_groups: int) -> np.ndarray | None:
    """The initial value of one parameter.

    Args:
        name: of the parameter.
        shape: of the parameter.
        norm_num_groups: of the network's norms.

    Returns:
        An array of that shape; None where the layer's own initial value stays.
    """
    if _ADDING.search(name):
        return np.zeros(shape)
    if _NORM.search(name):
        return _norm(name, shape[0], norm_num_groups)
    if _CARRYING.search(name):
        return _carrying(name, shape, norm_num_groups)
    if _LAST.search(name):
        return _last(name, shape, norm_num_groups)
    return None


def _references(channels, groups):
    """Mask of the channels that are references: the last of each group."""
    return np.arange(channels) % (channels // groups) == channels // groups - 1


def _constant(channels, groups):
    """The constant that a reference carries."""
    return _REFERENCE * np.sqrt(channels // groups)


def _norm(name, channels, groups):
    """Scale or offset that undoes a norm whose statistics are those of its reference alone."""
    size = channels // groups
    constant, signals = _constant(channels, groups), ~_references(channels, groups)
    return signals * (constant / size * (np.sqrt(size - 1) if name.endswith("gamma") else 1.0))


def _carrying(name, shape, groups):
    """A convolution on the main path: orthogonal rows in pairs of opposite sign, and the references."""
    references = _references(shape[0], groups)
    if name.endswith("bias"):
        return references * _constant(shape[0], groups)
    half = -(-shape[0] // 2)
    rows = _orthogonal(name, half, shape[1:])
    weight = np.concatenate([rows, -rows])[: shape[0]]
    weight[references] = 0
    if ".conv_in." not in name and not name.startswith("conv_in."):
        weight[:, _references(shape[1], groups)] = 0
    return weight


def _last(name, shape, groups):
    """The last convolution: the difference of each pair of channels. An encoder's second half is the log-variance."""
    encodes = name.startswith("encoder.")
    if name.endswith("bias"):
        return np.where(encodes & (np.arange(shape[0]) >= shape[0] // 2), _LOGVAR, 0.0)
    results, half = (shape[0] // 2 if encodes else shape[0]), shape[1] // 2
    columns = _orthogonal(name, results, (half, *shape[2:]))
    weight = np.zeros(shape)
    weight[:results, :half], weight[:results, half : 2 * half] = columns, -columns
    idle = _references(shape[1], groups)
    weight[:, idle | np.roll(idle, half)] = 0
    return weight


def _orthogonal(name, rows, others):
    """(rows, *others) seeded by the name: rows of norm 1, orthogonal where there are no more rows than columns."""
    drawn = np.random.default_rng(crc32(name.encode())).standard_normal((rows, int(np.prod(others))))
    if rows <= drawn.shape[1]:
        drawn = np.linalg.qr(drawn.T)[0].T
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).reshape(rows, *others)
