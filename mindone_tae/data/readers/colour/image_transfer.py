"""The transfer characteristic that an image file names, which Pillow does not tell."""

from __future__ import annotations

from contextlib import suppress

from ..base import UnreadableVideo
from ..container import open_container
from .frame_to_rgb import transfer_of

# HDR's, by their numbers in ITU-T H.273.
_HDR = {16: "pq", 18: "hlg"}


def image_transfer(path: str, codec: str) -> str:
    """The transfer characteristic of an AVIF, or of a PNG where it is HDR; otherwise empty.

    Args:
        path: the file.
        codec: Pillow's name of its format, in lower case.
    """
    if codec == "png":
        return _png_transfer(path)
    if codec == "avif":
        with suppress(UnreadableVideo):  # FFmpeg may not know an AVIF that Pillow reads
            container, stream = open_container(path)
            with container:
                return transfer_of(stream.codec_context)
    return ""


def _png_transfer(path):
    """By the chunk cICP (PNG, third edition, 11.3.2.6), which comes before the pixels."""
    with open(path, "rb") as file:
        file.seek(8)  # the signature
        while len(head := file.read(8)) == 8 and head[4:] != b"IDAT":
            length = int.from_bytes(head[:4], "big")
            if head[4:] == b"cICP":
                return _HDR.get(file.read(4)[1], "")
            file.seek(length + 4, 1)  # its data and checksum
    return ""
