"""LPIPS: the distance, its network's tensors, and where they are published."""
