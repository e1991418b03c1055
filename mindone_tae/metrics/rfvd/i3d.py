"""I3D in MindSpore: logits of a network trained to classify actions in clips."""

import numpy as np

import mindspore as ms
from mindspore import nn, ops

from .network import BRANCHES, LOGITS, STAGES, Pool, Unit

# Sonnet's batch normalisation, with which the network was trained.
_EPS = 1e-3


class _Unit(nn.Cell):
    """Convolution and ReLU; the batch normalisation, whose statistics are fixed, is in the kernel and the bias."""

    def __init__(self, weights, name, stride=1):
        super().__init__()
        weight = weights[f"{name}.weight"]
        scale = 1 / np.sqrt(weights[f"{name}.variance"] + _EPS)
        self.conv = nn.Conv3d(
            weight.shape[1],
            weight.shape[0],
            weight.shape[2:],
            stride,
            pad_mode="same",
            has_bias=True,
            weight_init=ms.Tensor(weight * scale.reshape(-1, 1, 1, 1, 1)),
            bias_init=ms.Tensor(weights[f"{name}.beta"] - weights[f"{name}.mean"] * scale),
        )

    def construct(self, x):
        return ops.relu(self.conv(x))


class _Mixed(nn.Cell):
    def __init__(self, weights, name):
        super().__init__()
        branches = [[_Unit(weights, f"{name}.{unit}") for unit, _ in branch] for branch in BRANCHES]
        branches[-1].insert(0, nn.MaxPool3d(3, 1, pad_mode="same"))
        self.branches = nn.CellList([nn.SequentialCell(branch) for branch in branches])

    def construct(self, x):
        return ops.cat([branch(x) for branch in self.branches], axis=1)


class I3D(nn.Cell):
    """Inflated Inception, as trained on Kinetics-400.

    Args:
        weights: name to float32 array, as `network.NETWORK` has them; the widths may be others.

    Attributes:
        stages: one Cell for each of `network.STAGES`.
    """

    def __init__(self, weights):
        super().__init__()
        self.stages = nn.CellList([_stage(weights, name, stage) for name, stage in STAGES])
        weight = weights[f"{LOGITS}.weight"]
        self.logits = nn.Dense(
            weight.shape[1],
            weight.shape[0],
            weight_init=ms.Tensor(weight.reshape(weight.shape[:2])),
            bias_init=ms.Tensor(weights[f"{LOGITS}.bias"]),
        )
        for parameter in self.get_parameters():
            parameter.requires_grad = False
        self.set_train(False)

    def construct(self, x):
        """The logits of a clip's actions, averaged over time: the features that FVD compares.

        Args:
            x: (b, 3, t, 224, 224) float32 in [-1, 1]; t of at least 9.

        Returns:
            (b, 400) float32.
        """
        for stage in self.stages:
            x = stage(x)
        x = x.mean(axis=(3, 4))  # (b, 1024, t / 8): the 7x7 places that are left of 224x224
        x = (x[:, :, 1:] + x[:, :, :-1]) / 2
        # Mean over time, then the last layer, which is linear: the same as the mean of its logits.
        return self.logits(x.mean(axis=2))


def _stage(weights, name, stage):
    if isinstance(stage, Unit):
        return _Unit(weights, name, stage.stride)
    if isinstance(stage, Pool):
        return nn.MaxPool3d(stage.window, stage.stride, pad_mode="same")
    return _Mixed(weights, name)
