"""Latents on disk: one clip a file or many in shards, read and written."""
