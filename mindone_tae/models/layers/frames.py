"""The frames-major layout, in which every layer of the TAE works.

A video (b, c, t, h, w) is stored as (t*b, c, h, w): frame by frame, the batch inside each frame. Spatial convolutions
take it as it is; a shift by one frame is a slice of `b` rows, since time is the leading axis; and there is one
transpose on the way in and one on the way out instead of six a convolution. Layers are given `b`; t follows from the
number of rows.
"""

from mindspore import ops

from .precision import OwnPrecision


def to_frames(x):
    """Video to frames-major.

    Args:
        x: (b, c, t, h, w).

    Returns:
        (t*b, c, h, w).
    """
    b, c, t, h, w = x.shape
    return ops.reshape(ops.transpose(x, (2, 0, 1, 3, 4)), (t * b, c, h, w))


def to_video(x, b):
    """Frames-major to video.

    Args:
        x: (t*b, c, h, w).
        b: the batch size.

    Returns:
        (b, c, t, h, w).
    """
    tb, c, h, w = x.shape
    return ops.transpose(ops.reshape(x, (tb // b, b, c, h, w)), (1, 2, 0, 3, 4))


class FramesCell(OwnPrecision):
    """A block over frames-major input that can also be called on a video by itself.

    Inside the network it is called with (t*b, c, h, w) and `b`. Called with one tensor (b, c, t, h, w), as in another
    package's network, it takes and returns videos. Subclasses define `frames(x, b)`.
    """

    def construct(self, x, b=0):
        """Runs the block.

        Args:
            x: (t*b, c, h, w) with `b` given, or (b, c, t, h, w) without.
            b: the batch size; 0 says that x is a video.

        Returns:
            The result, in the layout of x.
        """
        if b == 0:
            batch = x.shape[0]
            return to_video(self.frames(to_frames(x), batch), batch)
        return self.frames(x, b)
