"""LPIPS: the distance, the file of its weights, and how that file is made."""
