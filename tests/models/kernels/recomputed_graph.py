"""Prints how many convolutions the compiled gradient of two residual blocks runs, a line for each way.

python recomputed_graph.py FOLDER WAY...      where a WAY is kept or recomputed, a comma, and a form of the kernels
"""

import os
import sys
import traceback
from pathlib import Path

import numpy as np

import mindspore as ms
from mindspore import nn

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "tools/benchmark")]
from graphs import final_graphs
from test_recompute import Loss

from mindone_tae.models.kernels import device
from mindone_tae.models.layers.residual import ResnetBlock


def show(how, form, folder):
    """Compiles the gradient one way, and prints."""
    with device.form(form):
        blocks = nn.SequentialCell(ResnetBlock(4, 4, norm_num_groups=2), ResnetBlock(4, 4, norm_num_groups=2))
        if how == "recomputed":
            for block in blocks:
                block.recompute()
        ms.set_context(mode=ms.GRAPH_MODE, save_graphs=2, save_graphs_path=folder)
        ms.grad(Loss(blocks), None, ms.ParameterTuple(blocks.trainable_params()))(
            ms.Tensor(np.ones((1, 4, 2, 4, 4), np.float32))
        )
    print(max(path.read_text(encoding="utf-8").count(" = Conv2D(") for path in final_graphs(folder)), flush=True)


for way in sys.argv[2:]:
    # a fork of a process that has computed nothing: what was compiled before decides whether graphs are written
    if (pid := os.fork()) == 0:
        try:
            show(*way.split(","), str(Path(sys.argv[1]) / way))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        sys.exit(f"{way} failed")
