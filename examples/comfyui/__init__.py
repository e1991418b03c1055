"""ComfyUI nodes of the Temporal Autoencoder, over the ONNX files that `mindone-tae export --format onnx` writes."""

from .nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
