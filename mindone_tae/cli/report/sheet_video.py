"""One video for the browser with the frames of source and reconstructions side by side, so that they stay in step.

H.264 in 4:2:0 plays in every browser. It has no B-frames, a keyframe every half second, and in its last band the frame
number in black and white, from which the page reads the frame shown instead of relying on a clock.
"""

import io
from fractions import Fraction

import av
import numpy as np
from PIL import Image

CRF = 12
CODEC = f"H.264, 4:2:0, crf {CRF}"
# Cells begin at whole macroblocks and have a margin of copied pixels, so that none bleeds into the next.
_MACROBLOCK_PX, _MARGIN_PX = 16, 8
# The number's band: BITS squares, the lowest bit first.
BITS, BIT_PX = 10, 8
_BAND_PX = 16


class Sheet:
    """The layout of one clip's cells.

    Args:
        names: of the cells.
        size: (h, w) of each, pixels.

    Attributes:
        cells: name to (left, top).
        band: (left, top) of the number's band.
        size: (h, w) of the whole.
    """

    def __init__(self, names, size):
        height, width = (-(-(side + _MARGIN_PX) // _MACROBLOCK_PX) * _MACROBLOCK_PX for side in size)
        columns = min(range(1, len(names) + 1), key=lambda count: max(count * width, -(-len(names) // count) * height))
        rows = -(-len(names) // columns)
        self.cells = {name: (i % columns * width, i // columns * height) for i, name in enumerate(names)}
        self.size = (
            rows * height + _BAND_PX,
            max(columns * width, -(-BITS * BIT_PX // _MACROBLOCK_PX) * _MACROBLOCK_PX),
        )
        self.band = (0, rows * height)
        self._cell = (height, width)

    def frame(self, number, pictures):
        """The whole of one frame.

        Args:
            number: of the frame, below 2**BITS.
            pictures: name to uint8 (h, w, 3).

        Returns:
            uint8 (*size, 3).
        """
        sheet = np.zeros((*self.size, 3), np.uint8)
        for name, picture in pictures.items():
            left, top = self.cells[name]
            margins = [(0, whole - side) for whole, side in zip(self._cell, picture.shape)]
            sheet[top : top + self._cell[0], left : left + self._cell[1]] = np.pad(
                picture, (*margins, (0, 0)), mode="edge"
            )
        left, top = self.band
        for bit in range(BITS):
            if number >> bit & 1:
                sheet[top : top + BIT_PX, left + bit * BIT_PX : left + (bit + 1) * BIT_PX] = 255
        return sheet


def encode(sheets, size, fps):
    """Frames as H.264 in MP4.

    Args:
        sheets: iterable of uint8 (*size, 3).
        size: (h, w), both even.
        fps: frames a second.

    Returns:
        Bytes.
    """
    file, rate = io.BytesIO(), Fraction(fps).limit_denominator(1001)
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        whole_every = max(round(fps / 2), 1)
        # tagged in the stream: browsers guess the matrix of untagged colours from the size
        colours = "colorprim=bt709:transfer=bt709:colormatrix=bt709:range=tv"
        stream.options = {"crf": str(CRF), "preset": "fast", "bf": "0", "g": str(whole_every), "x264-params": colours}
        for sheet in sheets:
            frame = av.VideoFrame.from_ndarray(sheet, format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def encode_still(sheet):
    """One frame as PNG, without loss: bytes."""
    file = io.BytesIO()
    Image.fromarray(sheet).save(file, format="PNG", optimize=True)
    return file.getvalue()


def decoded(video):
    """Yields the frames of an MP4 by `encode`, uint8 (h, w, 3), as a browser shows them."""
    with av.open(io.BytesIO(video)) as container:
        for frame in container.decode(video=0):
            yield frame.reformat(format="rgb24", src_colorspace="ITU709", src_color_range="MPEG").to_ndarray()
