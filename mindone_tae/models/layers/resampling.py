"""Halving and doubling of space and time between the levels of the network."""

import mindspore as ms

from ..kernels.operands import computed, float32
from ..kernels.upsample import spatial_upsample, temporal_upsample
from .convolution import SpatialConv, TemporalConv
from .frames import FramesCell
from .precision import OwnPrecision


class SpatialDownsample(FramesCell):
    """Half the height and width: 3x3 convolution of stride 2, zeros added right and bottom.

    Args:
        channels: channels in and out.
        dtype: the type computed in; parameters stay float32.
    """

    def __init__(self, channels: int, dtype=ms.float32):
        super().__init__()
        self.conv = SpatialConv(channels, channels, 3, stride=2, padding=(0, 1, 0, 1), dtype=dtype)

    def frames(self, x, b):
        """(t*b, c, h, w) to (t*b, c, h/2, w/2)."""
        return self.conv(x)


class TemporalDownsample(FramesCell):
    """Half the frames, rounded up: kernel 3, stride 2, replicate padding by one.

    Args:
        channels: channels in and out.
        dtype: the type computed in; parameters stay float32.
    """

    def __init__(self, channels: int, dtype=ms.float32):
        super().__init__()
        self.conv = TemporalConv(channels, 3, stride=2, dtype=dtype)

    def frames(self, x, b):
        """(t*b, c, h, w) to (ceil(t/2)*b, c, h, w)."""
        return self.conv(x, b)


class SpatialUpsample(FramesCell):
    """Twice the height and width: nearest, then a 3x3 convolution.

    Args:
        channels: channels in and out.
        dtype: the type computed in; parameters stay float32.
    """

    def __init__(self, channels: int, dtype=ms.float32):
        super().__init__()
        self.conv = SpatialConv(channels, channels, 3, padding=1, dtype=dtype)
        self.dtype = dtype

    def frames(self, x, b):
        """(t*b, c, h, w) to (t*b, c, 2*h, 2*w)."""
        x = computed(x, self.dtype)
        return spatial_upsample(x, float32(self.conv.weight), float32(self.conv.bias))


class TemporalUpsample(FramesCell):
    """Twice the frames: nearest, then a convolution of 3 frames with zero padding.

    The published weights were trained with zeros past the ends, where the paper says replicate.

    Args:
        channels: channels in and out.
        dtype: the type computed in; parameters stay float32.
    """

    def __init__(self, channels: int, dtype=ms.float32):
        super().__init__()
        self.conv = TemporalConv(channels, 3, dtype=dtype)
        self.dtype = dtype

    def frames(self, x, b):
        """(t*b, c, h, w) to (2*t*b, c, h, w)."""
        x = computed(x, self.dtype)
        return temporal_upsample(x, b, float32(self.conv.weight), float32(self.conv.bias))


class Unchanged(OwnPrecision):
    """The identity, for a level that neither halves nor doubles."""

    def construct(self, x, b):
        """Returns x."""
        return x
