"""What the tests of encode share: weights of two small models, a folder of clips, and the command."""

import numpy as np
import pytest

import mindspore as ms

from mindone_tae import TemporalAutoencoder
from mindone_tae.cli import run
from mindone_tae.data import write_video
from mindone_tae.weights import save_weights

TINY = {
    "block_out_channels": [8, 8, 8, 8],
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "scaling_factor": 1.5,
    "shift_factor": 0.25,
}
FRAMES = {"a.mp4": 9, "b.mp4": 9, "deep/c.mp4": 3, "deep/d.gif": 9}


@pytest.fixture(scope="session")
def tiny():
    """Constructor keywords of the models."""
    return dict(TINY)


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """A folder with 0.safetensors and 1.safetensors."""
    folder = tmp_path_factory.mktemp("weights")
    for number in range(2):
        ms.set_seed(number)
        save_weights(TemporalAutoencoder(**TINY), folder / f"{number}.safetensors", {"config": TINY})
    return folder


@pytest.fixture
def videos(tmp_path, monkeypatch):
    """Clips of 8x16 pixels; two of a file's size 16x24, and two of 8x16."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for number, (name, frames) in enumerate(FRAMES.items()):
        size = (16, 24) if number < 2 else (8, 16)
        write_video(tmp_path / "videos" / name, rng.integers(0, 255, (frames, *size, 3), np.uint8), fps=10)
    return tmp_path / "videos"


@pytest.fixture
def encode_words(weights):
    """encode_words(*words) are the command's."""
    return lambda *words: [
        "encode",
        "--ckpt_path",
        str(weights / "0.safetensors"),
        "--video_folder",
        "videos",
        "--image_size",
        "8,16",
        *map(str, words),
    ]


@pytest.fixture
def encode(encode_words, videos, capsys):
    """encode(*words) runs the command here and gives what it printed."""

    def call(*words, status=0):
        assert run(encode_words("--output_path", *words)) == status
        return capsys.readouterr()

    return call
