"""Frames written as video, as images and as contact sheets."""
