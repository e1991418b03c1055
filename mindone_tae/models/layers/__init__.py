"""Layers of the network: parameters, and calls of kernels."""
