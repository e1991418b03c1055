"""Layers of the network: parameters, and what is computed with them."""
