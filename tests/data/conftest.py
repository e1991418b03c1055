"""Tiny videos whose frames show their number: frame i is grey of level 20 + 8 * i, with a red corner."""

import av
import numpy as np
import pytest


def _encode(path, levels, size, codec, pix_fmt, options, container_options):
    with av.open(str(path), "w", options=container_options) as container:
        stream = container.add_stream(codec, rate=20)
        stream.height, stream.width = size
        stream.pix_fmt = pix_fmt
        stream.options = options
        for level in levels:
            frame = np.full((*size, 3), level, np.uint8)
            frame[: size[0] // 4, : size[1] // 4] = (255, 0, 0)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


@pytest.fixture
def make_video(tmp_path):
    """make_video(name, frames=24, ...) writes a video under tmp_path and returns its path."""

    def make(name, frames=24, size=(64, 96), codec="libx264", pix_fmt="yuv420p", container_options=None, **options):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if codec == "libx264":  # several keyframes, and frames stored out of order
            options = {"crf": "5", "g": "8", "bf": "2", **options}
        _encode(path, [20 + 8 * i for i in range(frames)], size, codec, pix_fmt, options, container_options or {})
        return str(path)

    return make


@pytest.fixture
def numbers_of():
    """numbers_of(frames) gives the frame numbers that uint8 (t, h, w, 3) frames of such a video show."""

    def numbers(frames):
        levels = frames[:, -8:, -8:].reshape(len(frames), -1).mean(axis=1)
        return np.rint((levels - 20) / 8).astype(int).tolist()

    return numbers
