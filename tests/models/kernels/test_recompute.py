"""Recomputation saves memory and changes no value."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mindspore as ms
from mindspore import nn

from mindone_tae import TemporalAutoencoder
from mindone_tae.models.layers.residual import ResnetBlock

pytestmark = pytest.mark.apart

WIDTHS = {"block_out_channels": (4, 8), "norm_num_groups": 2, "layers_per_block": 1, "latent_channels": 2}


class Loss(nn.Cell):
    def __init__(self, block):
        super().__init__()
        self.block = block

    def construct(self, x):
        return ms.ops.square(self.block(x)).sum()


def randomised(cell):
    """Parameters at random: new temporal layers are the identity, and would hide a mistake."""
    rng = np.random.default_rng(0)
    for parameter in cell.get_parameters():
        parameter.set_data(ms.Tensor(rng.standard_normal(parameter.shape).astype(np.float32) * 0.3))
    return cell


def gradients(cell, *arrays):
    weights = ms.ParameterTuple(cell.trainable_params())
    value, (of_input, of_weights) = ms.value_and_grad(Loss(cell), 0, weights)(*map(ms.Tensor, arrays))
    return [value.asnumpy(), of_input.asnumpy(), *(gradient.asnumpy() for gradient in of_weights)]


@pytest.mark.graph_mode(where=lambda row: row["out_channels"] == 6)
@pytest.mark.parametrize("out_channels", [4, 6])
def test_a_recomputed_block_has_the_same_gradients_of_its_input_and_of_every_parameter(mode, form, out_channels):
    x = np.random.default_rng(1).standard_normal((1, 4, 3, 4, 4)).astype(np.float32)
    kept, again = (randomised(ResnetBlock(4, out_channels, norm_num_groups=2)) for _ in range(2))
    again.recompute()
    expected, found = gradients(kept, x), gradients(again, x)
    assert len(found) == 2 + (12 if out_channels == 4 else 16)
    for ours, theirs in zip(found, expected):
        assert np.abs(theirs).max() > 0
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_the_compiled_backward_pass_runs_a_recomputed_branch_again(tmp_path):
    script = Path(__file__).with_name("recomputed_graph.py")
    # where graphs go is told by this script, and not by what was run before
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MS_DEV_")}

    words = [sys.executable, str(script), str(tmp_path), "kept,cpu", "recomputed,cpu", "recomputed,portable"]
    words += ["kept,products", "recomputed,products"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    kept, recomputed, portable, *products = (int(line) for line in done.stdout.splitlines())
    # of the four convolutions of either branch all but the last are run again, whose result no gradient needs
    again = 2 * 3
    assert kept == 2 * 4
    assert recomputed == portable == kept + again
    # the products' form has a convolution for the gradient of every convolution's pixels too
    assert products == [2 * kept, 2 * kept + again]


def test_a_model_recomputes_every_residual_block_or_none():
    for use_recompute in (False, True):
        tae = TemporalAutoencoder(**WIDTHS, use_recompute=use_recompute)
        blocks = [cell for _, cell in tae.cells_and_names() if isinstance(cell, ResnetBlock)]
        assert len(blocks) == 10
        assert all(hasattr(block, "recomputed_parameters") == use_recompute for block in blocks)


def test_dropout_and_recomputation_do_not_go_together():
    with pytest.raises(ValueError, match="dropout is 0.1;.* use dropout 0, or use_recompute false"):
        TemporalAutoencoder(**WIDTHS, dropout=0.1, use_recompute=True)
