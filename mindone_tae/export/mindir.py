"""MINDIR files: a graph compiled for one shape, which MindSpore and MindSpore Lite run without this package."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
from tempfile import TemporaryDirectory

import numpy as np

import mindspore as ms
from mindspore import nn

from mindone_tae.models.kernels.device import on_cpu, portable
from mindone_tae.models.latent.posterior import split_moments
from mindone_tae.zoo.errors import UserError

# MindSpore splits larger MINDIRs into several files.
_MOST_BYTES = 10**9


class Moments(nn.Cell):
    """An encoder that returns mean and logvar as two tensors."""

    def __init__(self, encoder):
        super().__init__(auto_prefix=False)
        self.encoder = encoder

    def construct(self, x):
        """(b, c, t, h, w) to mean and logvar, each (b, zc, lt, lh, lw)."""
        return split_moments(self.encoder(x))


def write_mindir(network, shape: tuple[int, ...], path, form: str = "portable") -> None:
    """Compiles a network for one shape and writes it.

    Args:
        network: a Cell that takes one float32 tensor.
        shape: that tensor's shape.
        path: ends in .mindir.
        form: "portable", MindSpore's own operators, which run on any device; or "cpu", the operators chosen for a CPU,
            where the current device is one.

    Raises:
        UserError: the weights are too large for one file, or a CPU's form is asked for on another device.
    """
    if form == "cpu" and not on_cpu():
        raise UserError(
            f"form is 'cpu' and the device is {ms.get_context('device_target')}; kernels take this form on a CPU only: "
            "export with env.device_target=CPU, or the portable form"
        )
    size = 4 * sum(math.prod(parameter.shape) for parameter in network.get_parameters())
    if size > _MOST_BYTES:
        raise UserError(
            f"the weights take {size / 1e9:.2f} GB; a MINDIR of one file holds {_MOST_BYTES / 1e9:g}: export a "
            f"narrower model"
        )
    network.set_train(False)
    operators = portable() if form == "portable" else contextlib.nullcontext()
    with operators, TemporaryDirectory() as folder:  # MindSpore refuses a path with a space or a letter beyond ASCII
        written = os.path.join(folder, "network.mindir")
        ms.export(network, ms.Tensor(np.zeros(shape, np.float32)), file_name=written, file_format="MINDIR")
        shutil.move(written, path)


def run_mindir(path, x: np.ndarray) -> list[np.ndarray]:
    """Loads a MINDIR back and runs it on one array.

    Args:
        path: path of the file.
        x: float32, of the shape it was compiled for.

    Returns:
        The graph's results.
    """
    before = ms.get_context("mode")
    ms.set_context(mode=ms.GRAPH_MODE)  # loaded graphs run in graph mode only
    try:
        results = nn.GraphCell(ms.load(str(path)))(ms.Tensor(x))
    finally:
        ms.set_context(mode=before)
    return [result.asnumpy() for result in (results if isinstance(results, tuple) else (results,))]
