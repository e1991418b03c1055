"""Shared fixtures: tiny models, and image VAEs written out name by name in the layouts of files."""

import sys
import types

import numpy as np
import pytest
from safetensors.numpy import save_file

import mindspore as ms

from mindone_tae.models.autoencoder import TemporalAutoencoder

TINY = {"block_out_channels": (4, 8), "norm_num_groups": 2, "layers_per_block": 1, "latent_channels": 3}


@pytest.fixture(autouse=True)
def in_pynative(pynative):
    """Every test here."""


@pytest.fixture
def tiny():
    """Constructor keywords of the smallest model with every kind of layer."""
    return dict(TINY)


@pytest.fixture
def make_tae():
    """make_tae(seed) is a tiny TAE with every parameter drawn at random."""

    def make(seed=0):
        rng = np.random.default_rng(seed)
        tae = TemporalAutoencoder(**TINY)
        for parameter in tae.get_parameters():
            parameter.set_data(ms.Tensor(rng.standard_normal(parameter.shape).astype(np.float32)))
        return tae

    return make


@pytest.fixture
def arrays_of():
    """arrays_of(model) maps parameter names to arrays."""
    return lambda model: {name: parameter.asnumpy().copy() for name, parameter in model.parameters_and_names()}


def _pairs(kind, diffusers, original, shape):
    """(diffusers' name, original name, diffusers' shape, original shape) of one layer's tensors."""
    out = shape[0]
    if kind == "norm":
        return [(f"{diffusers}.{leaf}", f"{original}.{leaf}", (out,), (out,)) for leaf in ("weight", "bias")]
    theirs = shape[:2] if kind == "linear" else shape
    return [
        (f"{diffusers}.weight", f"{original}.weight", theirs, shape),
        (f"{diffusers}.bias", f"{original}.bias", (out,), (out,)),
    ]


def _resnet(diffusers, original, i, o):
    pairs = _pairs("norm", f"{diffusers}.norm1", f"{original}.norm1", (i,)) + _pairs(
        "norm", f"{diffusers}.norm2", f"{original}.norm2", (o,)
    )
    pairs += _pairs("conv", f"{diffusers}.conv1", f"{original}.conv1", (o, i, 3, 3))
    pairs += _pairs("conv", f"{diffusers}.conv2", f"{original}.conv2", (o, o, 3, 3))
    if i != o:
        pairs += _pairs("conv", f"{diffusers}.conv_shortcut", f"{original}.nin_shortcut", (o, i, 1, 1))
    return pairs


def _ends(side, first, last, width_in, width_out, middle):
    pairs = _pairs("conv", f"{side}.conv_in", f"{side}.conv_in", (width_in, first, 3, 3))
    pairs += _pairs("norm", f"{side}.conv_norm_out", f"{side}.norm_out", (width_out,))
    pairs += _pairs("conv", f"{side}.conv_out", f"{side}.conv_out", (last, width_out, 3, 3))
    pairs += _resnet(f"{side}.mid_block.resnets.0", f"{side}.mid.block_1", middle, middle)
    pairs += _resnet(f"{side}.mid_block.resnets.1", f"{side}.mid.block_2", middle, middle)
    pairs += _pairs("norm", f"{side}.mid_block.attentions.0.group_norm", f"{side}.mid.attn_1.norm", (middle,))
    for theirs, ours in (("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out")):
        pairs += _pairs(
            "linear", f"{side}.mid_block.attentions.0.{theirs}", f"{side}.mid.attn_1.{ours}", (middle, middle, 1, 1)
        )
    return pairs


def _image_vae(widths, layers, latent):
    levels = len(widths)
    pairs = _ends("encoder", 3, 2 * latent, widths[0], widths[-1], widths[-1]) + _ends(
        "decoder", latent, 3, widths[-1], widths[0], widths[-1]
    )
    for level in range(levels):
        i, o = widths[max(level - 1, 0)], widths[level]
        for block in range(layers):
            pairs += _resnet(
                f"encoder.down_blocks.{level}.resnets.{block}",
                f"encoder.down.{level}.block.{block}",
                o if block else i,
                o,
            )
        i = widths[min(level + 1, levels - 1)]
        theirs = levels - 1 - level  # diffusers counts the decoder's levels in the order they are passed
        for block in range(layers + 1):
            pairs += _resnet(
                f"decoder.up_blocks.{theirs}.resnets.{block}", f"decoder.up.{level}.block.{block}", o if block else i, o
            )
        if level < levels - 1:
            pairs += _pairs(
                "conv",
                f"encoder.down_blocks.{level}.downsamplers.0.conv",
                f"encoder.down.{level}.downsample.conv",
                (o, o, 3, 3),
            )
        if level > 0:
            pairs += _pairs(
                "conv",
                f"decoder.up_blocks.{theirs}.upsamplers.0.conv",
                f"decoder.up.{level}.upsample.conv",
                (o, o, 3, 3),
            )
    return pairs


@pytest.fixture
def image_vae():
    """image_vae(layout, ...): name to array of a random image VAE, "diffusers" or "original", with the same numbers."""

    def make(
        layout,
        widths=TINY["block_out_channels"],
        layers=TINY["layers_per_block"],
        latent=TINY["latent_channels"],
        seed=0,
    ):
        rng = np.random.default_rng(seed)
        arrays = {}
        for theirs, ours, their_shape, our_shape in _image_vae(widths, layers, latent):
            array = rng.standard_normal(our_shape) / np.sqrt(np.prod(our_shape[1:]))
            array = (array + ("norm" in ours and ours.endswith("weight"))).astype(np.float32)
            arrays[theirs if layout == "diffusers" else ours] = array.reshape(
                their_shape if layout == "diffusers" else our_shape
            )
        return arrays

    return make


@pytest.fixture
def source(tmp_path, image_vae):
    """source(layout, ...) is a file of a random image VAE."""

    def make(layout="diffusers", name="vae.safetensors", change=lambda arrays: arrays, **keywords):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        save_file(change(image_vae(layout, **keywords)), tmp_path / name)
        return tmp_path / name

    return make


@pytest.fixture
def fake_torch(monkeypatch):
    """Modules with the names that torch's pickles mention, for Python's own pickler to refer to."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for kind in ("Float", "Half", "BFloat16", "Long"):
        name = f"{kind}Storage"
        setattr(torch, name, type(name, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2():
        raise AssertionError("called")

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    torch._utils = utils
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
    return torch
