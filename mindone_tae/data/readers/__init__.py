"""Readers of video and image files."""
