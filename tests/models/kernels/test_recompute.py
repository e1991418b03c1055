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
from mindone_tae.models.layers.convolution import Conv2_5d
from mindone_tae.models.layers.residual import ResnetBlock

pytestmark = pytest.mark.apart

WIDTHS = {"block_out_channels": (4, 8), "norm_num_groups": 2, "layers_per_block": 1, "latent_channels": 2}


class Loss(nn.Cell):
    def __init__(self, block):
        super().__init__()
        self.block = block

    def construct(self, x):
        return ms.ops.square(self.block(x)).sum()


def randomised(cell, seed=0):
    """Parameters at random: new temporal layers are the identity, and would hide a mistake."""
    rng = np.random.default_rng(seed)
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


@pytest.mark.parametrize("frozen_first", [True, False])
def test_frozen_parameters_leave_the_gradients_of_the_others_as_they_are(mode, frozen_first):
    x = np.random.default_rng(1).standard_normal((1, 4, 3, 4, 4)).astype(np.float32)
    kept, again = (randomised(ResnetBlock(4, 4, norm_num_groups=2)) for _ in range(2))
    if not frozen_first:
        again.recompute()
    for block in (kept, again):
        for parameter in (block.norm1.beta, block.conv1.conv_spat.weight, block.conv2.conv_temp.bias):
            parameter.requires_grad = False
    if frozen_first:
        again.recompute()
    expected, found = gradients(kept, x), gradients(again, x)
    assert len(found) == 2 + 12 - 3
    for ours, theirs in zip(found, expected):
        assert np.abs(theirs).max() > 0
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


class Adapted(nn.Cell):
    """A layer and something added to its result, as LoRA does; what the layer holds is passed on."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        self.added = ms.Parameter(ms.Tensor([0.5], ms.float32), name="added")


class AdaptedOverFrames(Adapted):
    def construct(self, x, b):
        return self.layer(x, b) + self.added


class AdaptedSpatial(Adapted):
    """With a weight and a bias, such as stock adapters have."""

    def __init__(self, layer):
        super().__init__(layer)
        self.weight, self.bias = layer.weight, layer.bias

    def construct(self, x):
        return self.layer(x) + self.added


def replace_a_layer(block, other):
    block.conv2 = other.conv2


def replace_a_parameter(block, other):
    block.conv2.conv_spat.weight = ms.Parameter(other.conv2.conv_spat.weight.value(), name="weight")


def adapt_a_norm(block, other):
    block.norm2 = AdaptedOverFrames(block.norm2)


def adapt_a_layer(block, other):
    block.conv2 = AdaptedOverFrames(block.conv2)


def adapt_a_layer_within(block, other):
    block.conv2.conv_spat = AdaptedSpatial(block.conv2.conv_spat)


@pytest.mark.graph_mode(where=lambda row: row["recomputed_first"])
@pytest.mark.parametrize("recomputed_first", [True, False])
@pytest.mark.parametrize(
    "change", [replace_a_layer, replace_a_parameter, adapt_a_norm, adapt_a_layer, adapt_a_layer_within]
)
def test_a_layer_replaced_in_a_recomputed_block_is_the_one_that_computes(mode, change, recomputed_first):
    x = np.random.default_rng(1).standard_normal((1, 4, 3, 4, 4)).astype(np.float32)
    kept, again = (randomised(ResnetBlock(4, 4, norm_num_groups=2)) for _ in range(2))
    before = kept(ms.Tensor(x)).asnumpy()
    if recomputed_first:
        again.recompute()
        again(ms.Tensor(x))
        again.compile_cache.clear()  # as networks_changed() does for a model
    for block in (kept, again):
        change(block, randomised(ResnetBlock(4, 4, norm_num_groups=2), seed=2))
    if not recomputed_first:
        again.recompute()
    expected, found = gradients(kept, x), gradients(again, x)
    assert len(found) == 2 + 12 + change.__name__.startswith("adapt")
    for ours, theirs in zip(found, expected):
        assert np.abs(theirs).max() > 0
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    assert np.abs(again(ms.Tensor(x)).asnumpy() - before).max() > 0.1


def test_a_block_that_keeps_its_activations_after_all_is_told_of_once(caplog, monkeypatch):
    monkeypatch.setattr("mindone_tae.models.kernels.recompute._warned", [])
    block = ResnetBlock(4, 4, norm_num_groups=2)
    block.recompute()
    assert len(block.recomputed_parameters) == 12 and not caplog.records
    adapt_a_layer(block, None)
    assert block.recomputed_parameters == block.recomputed_parameters == ()
    assert [record.getMessage() for record in caplog.records] == [
        "a layer of a residual block was replaced: recomputation knows the block's own layers only, and a block with "
        "others keeps its activations"
    ]


def test_an_adapter_around_a_convolution_in_space_adds_what_it_computes():
    """Truth in NumPy: the same is added everywhere, and the temporal convolution after it sums over its taps."""
    x = ms.Tensor(np.random.default_rng(1).standard_normal((1, 4, 3, 4, 4)).astype(np.float32))
    conv = randomised(Conv2_5d(4, 4))
    before, taps = conv(x).asnumpy(), conv.conv_temp.weight.asnumpy()
    conv.conv_spat = AdaptedSpatial(conv.conv_spat)
    added = 0.5 * taps.sum((1, 2, 3)).reshape(1, 4, 1, 1, 1)
    np.testing.assert_allclose(conv(x).asnumpy(), before + added, rtol=1e-4, atol=1e-4)


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
        assert all(("frames" in vars(block)) == use_recompute for block in blocks)


def test_dropout_and_recomputation_do_not_go_together():
    with pytest.raises(ValueError, match="dropout is 0.1;.* use dropout 0, or use_recompute false"):
        TemporalAutoencoder(**WIDTHS, dropout=0.1, use_recompute=True)
