"""ONNX models of the encoder and the decoder, with metadata for users without this package."""

from __future__ import annotations

from mindone_tae.version import __version__
from mindone_tae.zoo.errors import UserError

from .network import decoder_graph, encoder_graph

OPSET = 17
# The file format's version when the opset was released, so that runtimes of that time read it.
_IR_VERSION = 8
# Protocol buffers are limited to 2 GiB.
_MOST_BYTES = 2**31 - 2**20
_PIXEL_AXES = ("batch", "channels", "frames", "height", "width")
_LATENT_AXES = ("batch", "channels", "latent_frames", "latent_height", "latent_width")


def onnx_model(part: str, model, facts: dict[str, str]):
    """The encoder or the decoder as an ONNX model with dynamic batch, frames, height and width.

    Args:
        part: "encoder", which takes x (batch, in_channels, frames, height, width) in [-1, 1] and gives mean and logvar,
            each (batch, latent_channels, ceil(frames / r), height / r, width / r), r = 2^(levels - 1), logvar clipped
            to [-30, 20]; or "decoder", which takes z (batch, latent_channels, latent_frames, latent_height,
            latent_width) and gives recon, r times as many frames, rows and columns.
        model: a TemporalAutoencoder.
        facts: metadata of the file, see `facts.facts`.

    Returns:
        onnx.ModelProto.

    Raises:
        UserError: the weights are too large for one file.
    """
    from onnx import TensorProto, checker, helper

    pixels, latents = (model.in_channels, _PIXEL_AXES), (model.latent_channels, _LATENT_AXES)
    if part == "encoder":
        graph, given, results = encoder_graph(model.encoder), {"x": pixels}, {"mean": latents, "logvar": latents}
    else:
        recon = (model.decoder.conv_out.conv_spat.weight.shape[0], _PIXEL_AXES)
        graph, given, results = decoder_graph(model.decoder), {"z": latents}, {"recon": recon}
    size = sum(len(numbers.raw_data) for numbers in graph.numbers.values())
    if size > _MOST_BYTES:
        raise UserError(
            f"the {part}'s weights take {size / 1e9:.2f} GB; an ONNX file holds {_MOST_BYTES / 1e9:.2f} at most: "
            f"export a narrower model"
        )

    def values(named):
        return [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [axes[0], channels, *axes[2:]])
            for name, (channels, axes) in named.items()
        ]

    built = helper.make_model(
        helper.make_graph(graph.nodes, f"tae_{part}", values(given), values(results), list(graph.numbers.values())),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="mindone_tae",
        producer_version=__version__,
    )
    helper.set_model_props(built, {"part": part, **facts})
    checker.check_model(built)
    return built
