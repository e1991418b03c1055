"""Frames stored losslessly, as RGB H.264: small where little moves; browsers need not play it."""

import av
import numpy as np

from mindone_tae.zoo.atomic_file import replacing
from mindone_tae.zoo.errors import UserError


def write_frames(path, frames):
    """Writes frames losslessly and atomically.

    Args:
        path: ends in .mkv; its folder is created if missing.
        frames: uint8 (t, h, w, 3) RGB, at least one.

    Raises:
        UserError: the file cannot be written.
    """
    with replacing(path) as temporary, av.open(str(temporary), "w") as container:
        stream = container.add_stream("libx264rgb", rate=25)  # a frame's number counts, not its time
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "rgb24"
        stream.options = {"qp": "0", "preset": "veryfast"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode(None))


def read_frames(path):
    """Reads a file of `write_frames`: uint8 (t, h, w, 3).

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        # a report may be a stranger's: nothing but a Matroska file, which opens no other
        with av.open(str(path), format="matroska", options={"protocol_whitelist": "file"}) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    except (OSError, av.error.FFmpegError, IndexError, ValueError) as error:  # the last two: no video, no such frame
        raise UserError(f"{path} cannot be read ({error}); a report needs its frames: run the command again") from error
    if not frames:
        raise UserError(f"{path} holds no frame; a report needs its frames: run the command again")
    if len({frame.shape for frame in frames}) > 1:
        raise UserError(f"{path} holds frames of several sizes; a report needs its frames: run the command again")
    return np.stack(frames)
