"""The network in formats that run without this package: ONNX and MINDIR."""
