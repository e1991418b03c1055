"""LPIPS: how different two frames look to a network trained on photographs."""

import numpy as np

import mindspore as ms
from mindspore import nn, ops

from mindone_tae.zoo.errors import UserError

from ..safe_sqrt import safe_sqrt
from .network import NETWORK, STAGES, WIDTHS

_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)
_EPS = 1e-10

# VGG16 halves the frame four times before its last features.
SMALLEST_PX = 16


@ops.constexpr
def _check_frames(shape):
    if len(shape) != 4 or shape[1] != 3 or min(shape[2:]) < SMALLEST_PX:
        raise UserError(
            f"LPIPS was given frames of shape {shape}; it takes (n, 3, h, w) with h and w of at least {SMALLEST_PX} "
            "pixels: use larger frames, or leave LPIPS out"
        )


class _Stage(nn.Cell):
    """VGG16 between two poolings: 3x3 convolutions, each followed by a ReLU."""

    def __init__(self, weights, number):
        super().__init__()
        convs = []
        for layer in STAGES[number - 1]:
            weight = ms.Tensor(weights[f"net.slice{number}.{layer}.weight"])
            bias = ms.Tensor(weights[f"net.slice{number}.{layer}.bias"])
            width, before = weight.shape[:2]
            published = {"has_bias": True, "weight_init": weight, "bias_init": bias}
            convs.append(nn.Conv2d(before, width, 3, pad_mode="pad", padding=1, **published))
        self.convs = nn.CellList(convs)

    def construct(self, x):
        for conv in self.convs:
            x = ops.relu(conv(x))
        return x


class LPIPS(nn.Cell):
    """Learned perceptual distance (Zhang et al., 2018), VGG16, version 0.1.

    Features after relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3 are scaled to unit length over the channels; their
    squared differences are weighted by channel, averaged over space and summed. Frozen: gradients reach the frames,
    never the weights.

    Args:
        path: safetensors file with the tensors of `lpips.LPIPS(net='vgg').state_dict()`.
        key: the recipe's key that points at it, for the errors.

    Raises:
        UserError: if the file is not there (and how to get it), or holds anything else.
    """

    def __init__(self, path: str, key: str = "loss.lpips_path"):
        super().__init__()
        weights = NETWORK.read(path, key)
        self.stages = nn.CellList([_Stage(weights, number) for number in range(1, len(STAGES) + 1)])
        self.pool = nn.MaxPool2d(kernel_size=2, stride=2)
        self.shift = ms.Tensor(np.array(_SHIFT, np.float32).reshape(1, 3, 1, 1))
        self.scale = ms.Tensor(np.array(_SCALE, np.float32).reshape(1, 3, 1, 1))
        linear = [weights[f"lin{i}.model.1.weight"].reshape(1, WIDTHS[i]) for i in range(len(STAGES))]
        self.linear = ms.ParameterTuple([ms.Parameter(ms.Tensor(w), name=f"linear{i}") for i, w in enumerate(linear)])
        for parameter in self.get_parameters():
            parameter.requires_grad = False
        self.set_train(False)

    def construct(self, recon, x):
        """The distance of each frame from its target.

        Args:
            recon: (n, 3, h, w) in [-1, 1]; h and w at least 16.
            x: the same shape and range.

        Returns:
            (n,) float32, 0 where the frames are equal.

        Raises:
            UserError: if the frames have another number of channels or are too small.
        """
        _check_frames(recon.shape)
        recon = (ops.cast(recon, ms.float32) - self.shift) / self.scale
        x = (ops.cast(x, ms.float32) - self.shift) / self.scale
        distance = 0.0
        for i in range(len(self.stages)):
            if i > 0:
                recon = self.pool(recon)
                x = self.pool(x)
            recon = self.stages[i](recon)
            x = self.stages[i](x)
            difference = ops.square(self.unit(recon) - self.unit(x))
            # Space first, channels after: both are linear, and (n, c) is small.
            distance = distance + (difference.mean(axis=(2, 3)) * self.linear[i]).sum(axis=1)
        return distance

    def unit(self, features):
        """Scale (n, c, h, w) to unit length over c; a position where every channel is 0 stays 0."""
        return features / (safe_sqrt(ops.square(features).sum(axis=1, keepdims=True)) + _EPS)
