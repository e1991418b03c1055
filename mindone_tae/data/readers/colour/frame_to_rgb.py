"""Decoded frames to RGB: exact to the rounding, and HDR in the range of SDR where that is asked for."""

from __future__ import annotations

import numpy as np
from av.video.reformatter import VideoReformatter

from .tone_mapping import tone_map

# swscale's SWS_BILINEAR, SWS_ACCURATE_RND and SWS_FULL_CHR_H_INT as numbers: PyAV 17, the last for Python 3.10, has no
# names for them. swscale's default converts 4:2:0 by a table that darkens by 1 to 2 levels.
_EXACT = 0x2 | 0x40000 | 0x2000
# Transfer characteristics by their numbers in ITU-T H.273.
_TRANSFERS = {
    1: "bt709", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 7: "smpte240m", 8: "linear", 13: "srgb", 14: "bt2020-10",
    15: "bt2020-12", 16: "pq", 17: "smpte428", 18: "hlg",
}  # fmt: skip


def transfer_of(context) -> str:
    """The transfer characteristic that a PyAV codec context has once it decoded a frame; empty where none is told."""
    return _TRANSFERS.get(int(context.color_trc), "")


class FrameToRGB:
    """Converts the frames of one video.

    Args:
        tone_mapped: "pq" or "hlg" of a video that is to be brought to SDR; otherwise code values are taken as they are.
    """

    def __init__(self, tone_mapped: str = ""):
        self._tone_mapped, self._reformatter = tone_mapped, VideoReformatter()

    def __call__(self, frame) -> np.ndarray:
        """A PyAV frame as uint8 (h, w, 3).

        Raises:
            ValueError: FFmpeg does not convert from its colour matrix.
        """
        if self._tone_mapped:
            return tone_map(self._converted(frame, "rgb48le"), self._tone_mapped)
        return self._converted(frame, "rgb24")

    def _converted(self, frame, form):
        try:
            return self._reformatter.reformat(frame, format=form, interpolation=_EXACT, threads=1).to_ndarray()
        except OSError:
            matrix = f"{int(frame.colorspace)} (of ITU-T H.273)"
            raise ValueError(f"FFmpeg does not convert from its colour matrix, {matrix}, to RGB") from None
