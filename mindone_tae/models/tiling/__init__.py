"""Encoding and decoding in tiles and in chunks of frames."""
