"""Runs ONNX files in onnxruntime and compares them with the model."""

from __future__ import annotations

from .agreement import compare_shapes, differences, example_pixels, model_results


def has_onnxruntime() -> bool:
    """Whether onnxruntime is installed."""
    try:
        import onnxruntime  # noqa: F401
    except ImportError:
        return False
    return True


def session(path):
    """An onnxruntime session of a file, on the CPU."""
    import onnxruntime

    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def compare_onnx(model, encoder, decoder):
    """Compares both files with the model on several shapes.

    Args:
        model: a TemporalAutoencoder that computes in float32.
        encoder: path of the encoder's file.
        decoder: path of the decoder's file.

    Yields:
        The input's shape, and the largest differences of mean, logvar and recon by name.

    Raises:
        Disagreement: a file's results differ by more than rounding.
    """
    encode, decode = session(encoder), session(decoder)
    for shape in compare_shapes(model):
        x = example_pixels(shape)
        expected = model_results(model, x)
        found = dict(zip(("mean", "logvar"), encode.run(["mean", "logvar"], {"x": x})))
        found["recon"] = decode.run(["recon"], {"z": expected["mean"]})[0]
        yield shape, differences(found, expected, "float32", "an ONNX file")
