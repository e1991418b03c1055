"""File formats of weights, one module a format."""
