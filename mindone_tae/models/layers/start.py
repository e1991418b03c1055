"""A start at which a network trained from nothing is a linear code: what it is shown passes, at its own brightness and contrast.

Drawn at random, an autoencoder of this kind learns slowly and carries little over to other videos: every group norm takes the mean
and the scale of a clip away, and has to be undone from experience. Here, of each norm's groups one channel carries a constant
(its reference), larger than any signal beside it, so that the group's statistics hardly depend on the clip and the norm is
about an affine map; residual blocks and attention add nothing; and channels come in pairs of opposite sign, so that
SiLU(a) - SiLU(-a) = a makes the last layer linear in spite of its activation (the looks-linear start of Balduzzi et al.,
arXiv 1702.08591, section 4). All of it is values of parameters: training moves them as it moves any other.
"""

from __future__ import annotations

import re
from binascii import crc32

import numpy as np

import mindspore as ms

# The reference, in root-mean-squares of the signals beside it (about 1), together.
_REFERENCE = 2.0
# Log-variance of the posterior at the start: noise of a twentieth of the latent's spread.
_LOGVAR = -6.0
_CARRYING = re.compile(r"(^|\.)(conv_in|nin_shortcut|(down|up)sample(_spat)?\.conv)(\.conv_spat)?\.(weight|bias)$")
_LAST = re.compile(r"\.conv_out(\.conv_spat)?\.(weight|bias)$")
_ADDING = re.compile(r"\.(conv2(\.conv_spat)?|attn_1(\.\d)?\.proj_out)\.weight$")
_NORM = re.compile(r"\.(gamma|beta)$")


def check_start(start: str) -> None:
    """Raises ValueError unless it names a way to start."""
    if start not in ("random", "linear"):
        raise ValueError(f"start is {start!r}; it must be 'random' or 'linear': 'random' is the published network's")


def start_linear(network, norm_num_groups: int) -> None:
    """Sets the parameters of a TAE or an image VAE to the start described above, the same at every call.

    Args:
        network: has `encoder` and `decoder`, its parameters under their published names.
        norm_num_groups: of its norms; fewer groups need fewer references.
    """
    for name, parameter in network.parameters_and_names():
        array = starting_value(name, tuple(parameter.shape), norm_num_groups)
        if array is not None:
            parameter.set_data(ms.Tensor(array.astype(np.float32)))


def starting_value(name: str, shape: tuple[int, ...], norm_num_groups: int) -> np.ndarray | None:
    """What one parameter starts at.

    Args:
        name: of the parameter.
        shape: its own.
        norm_num_groups: of the network's norms.

    Returns:
        An array of that shape; None where it starts as in any network.
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
    """Which channels are references: the last of each group."""
    return np.arange(channels) % (channels // groups) == channels // groups - 1


def _constant(channels, groups):
    """What a reference carries."""
    return _REFERENCE * np.sqrt(channels // groups)


def _norm(name, channels, groups):
    """Scale and offset that undo a norm whose statistics are those of its reference alone."""
    size = channels // groups
    constant, signals = _constant(channels, groups), ~_references(channels, groups)
    return signals * (constant / size * (np.sqrt(size - 1) if name.endswith("gamma") else 1.0))


def _carrying(name, shape, groups):
    """A convolution of what is carried: orthogonal, in pairs of opposite sign, and the references."""
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
    """The last convolution: of each pair of channels the difference. An encoder's second half is the log-variance."""
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
    """(rows, *others), drawn from the name; rows of length 1, at right angles to one another where there are not too many."""
    drawn = np.random.default_rng(crc32(name.encode())).standard_normal((rows, int(np.prod(others))))
    if rows <= drawn.shape[1]:
        drawn = np.linalg.qr(drawn.T)[0].T
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).reshape(rows, *others)
