"""Sample clips made on the spot."""
