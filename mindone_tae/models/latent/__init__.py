"""The latent: its posterior, shape, scaling and statistics."""
