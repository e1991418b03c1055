"""The packages that ONNX files need, looked up without importing them: MindSpore must be imported before onnx.

The other way round MindSpore 2.8.0 fails with "Descriptors cannot be created directly", from protobuf.
"""

from importlib.util import find_spec

from mindone_tae.zoo.errors import UserError


def require_onnx() -> None:
    """Raises UserError where the package that writes the files is missing."""
    if find_spec("onnx") is None:
        raise UserError(
            "ONNX files are written with the package onnx, and it is not installed: pip install 'mindone_tae[onnx]'"
        )


def has_onnxruntime() -> bool:
    """Whether the package that runs the files is installed."""
    return find_spec("onnxruntime") is not None
