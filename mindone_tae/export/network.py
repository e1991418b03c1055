"""The encoder and the decoder as ONNX graphs, built in the order of `models/encoder.py` and `models/decoder.py`."""

from __future__ import annotations

import numpy as np

from mindone_tae.models.latent.posterior import LOGVAR_MAX, LOGVAR_MIN

from . import layers
from .graph import Graph


def encoder_graph(encoder) -> Graph:
    """Pixels "x" (b, c, t, h, w) to "mean" and "logvar", each (b, zc, lt, lh, lw)."""
    graph, last = Graph(encoder, "encoder"), len(encoder.down) - 1
    x = layers.conv2_5d(graph, encoder.conv_in, "x")
    for i, level in enumerate(encoder.down):
        for block in level.block:
            x = layers.resnet_block(graph, block, x)
        if i < last:
            x = layers.spatial_conv(graph, level.downsample_spat.conv, x)
            x = layers.temporal_conv(graph, level.downsample_temp.conv, x)
    x = _middle(graph, encoder.mid, x)
    x = layers.conv2_5d(graph, encoder.conv_out, layers.silu(graph, layers.group_norm(graph, encoder.norm_out, x)))
    mean, logvar = graph.split("Split", 2, x, axis=1)
    bounds = [graph.array(name, np.float32(value)) for name, value in (("min", LOGVAR_MIN), ("max", LOGVAR_MAX))]
    graph.name_result(mean, "mean")
    graph.name_result(graph.node("Clip", logvar, *bounds), "logvar")
    return graph


def decoder_graph(decoder) -> Graph:
    """Latents "z" (b, zc, lt, lh, lw) to pixels "recon" (b, c, t, h, w)."""
    graph = Graph(decoder, "decoder")
    x = _middle(graph, decoder.mid, layers.conv2_5d(graph, decoder.conv_in, "z"))
    for i in reversed(range(len(decoder.up))):
        for block in decoder.up[i].block:
            x = layers.resnet_block(graph, block, x)
        if i > 0:
            x = layers.spatial_upsample(graph, decoder.up[i].upsample_spat, x)
            x = layers.temporal_upsample(graph, decoder.up[i].upsample_temp, x)
    x = layers.conv2_5d(graph, decoder.conv_out, layers.silu(graph, layers.group_norm(graph, decoder.norm_out, x)))
    graph.name_result(x, "recon")
    return graph


def _middle(graph, middle, x):
    x = layers.resnet_block(graph, middle.block_1, x)
    x = layers.spatial_attention(graph, middle.attn_1[0], x)
    x = layers.temporal_attention(graph, middle.attn_1[1], x)
    return layers.resnet_block(graph, middle.block_2, x)
