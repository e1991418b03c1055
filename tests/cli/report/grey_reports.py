"""Reports whose grey levels identify the frame and the contestant."""

from types import SimpleNamespace

import numpy as np

from mindone_tae.cli.report.recording import Recorder
from mindone_tae.data import from_pixels

FRAMES, FPS = 24, 12.0


def level(name, number):
    """The grey of a contestant's frame; no two contestants share one at a frame, and no two frames of one."""
    return {"source": 20 + 9 * number, "model": 240 - 9 * number, "average_pooling": 20 + 9 * ((number + 12) % 24)}[
        name
    ]


def number_of(name, grey):
    """The frame that a contestant's grey stands for, the inverse of `level`."""
    return min(range(FRAMES), key=lambda number: abs(level(name, number) - grey))


def frames_of(name, frames=FRAMES, size=(64, 96)):
    """uint8 (t, h, w, 3), each frame of its own grey but for a gradient in the upper rows."""
    greys = np.array([level(name, number) for number in range(frames)], np.uint8)
    pixels = np.repeat(greys, size[0] * size[1] * 3).reshape(frames, *size, 3)
    pixels[:, :8, :, 0] = np.linspace(0, 255, size[1])
    return pixels


class Eighths:
    """A model that cuts each side to an eighth, as far as a report asks."""

    def latent_size(self, size):
        return tuple(-(-side // 8) for side in size)

    def get_parameters(self):
        return [SimpleNamespace(shape=(3, 5), name="weight")]


def record(folder, clips, pretrained="tiny", seed=0):
    """A folder with the report of clips: name to the number of frames; other weights, another seed."""
    recipe = SimpleNamespace(model={"name": "tae", "pretrained": pretrained}, to_yaml=lambda: "model:\n  name: tae\n")
    recorder = Recorder(folder, "evaluate", recipe, Eighths(), [("average_pooling", None)])
    rng = np.random.default_rng(seed)
    for name, frames in clips.items():
        x, recon, pooled = (from_pixels(frames_of(who, frames)) for who in ("source", "model", "average_pooling"))
        if seed:
            recon = np.clip(recon + 0.02 * seed, -1, 1)
        clip = recorder.clip(name, FPS if frames > 1 else 0.0, {"size": [480, 720], "bytes": 12345})
        clip.add(x, {"model": recon, "average_pooling": pooled})
        clip.add_latent(rng.standard_normal((16, -(-frames // 8), 8, 12)).astype(np.float32))
        clip.finish()
    recorder.finish()
    return folder
