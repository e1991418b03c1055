"""Models that the TAE is inflated from or measured beside."""
