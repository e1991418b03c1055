"""Another package with a model, a dataset and a metric, registered by its own entry points, installed in a folder."""

import sys

import pytest

MODEL = '''
import mindspore as ms
from mindspore import nn, ops


class Scale(nn.Cell):
    """Reconstructs by one factor a channel."""

    def __init__(self, channels: int = 3, start: float = 0.0):
        super().__init__()
        self.factor = ms.Parameter(ms.ops.full((1, channels, 1, 1, 1), start, dtype=ms.float32), name="factor")

    def construct(self, x):
        return x * self.factor
'''

DATASET = '''
import time

import numpy as np


class Noise:
    """Clips of noise; the clip `broken` holds a NaN, and all but the first two take `pause` seconds to read."""

    def __init__(self, clips: int = 5, frames: int = 2, side: int = 8, broken: int = -1, pause: float = 0.0):
        if side < 1:
            raise ValueError(f"side is {side}")
        self.clips, self.shape, self.broken, self.pause = clips, (3, frames, side, side), broken, pause

    def __len__(self):
        return self.clips

    def __getitem__(self, index):
        return self.sample(index, np.random.default_rng(index))

    def sample(self, index, rng, choice=None):
        time.sleep(self.pause if index > 1 else 0)
        clip = rng.uniform(-1, 1, self.shape).astype(np.float32)
        if index == self.broken:
            clip[0, 0, 0, 0] = np.nan
        return (clip,)
'''

METRIC = '''
import numpy as np


class Spread:
    """Of a whole set: spread of the clips' darkest pixels in the reconstructions, over that in the videos."""

    name = "foreign_spread"
    protocol = "standard deviation over clips of the smallest pixel, reconstructions by videos"
    higher_is_better = True
    min_clips = 2

    def collect(self, recon, x):
        return [float(np.min(recon)), float(np.min(x))]

    def finish(self, collected):
        recon, x = np.array(collected).T
        return np.std(recon) / np.std(x)

    def describe(self, collected):
        return {"clips": len(collected), "warnings": ["few clips"] if len(collected) < 10 else []}
'''

ENTRY_POINTS = """
[mindone.models]
foreign_scale = foreign_package.model:Scale

[mindone.datasets]
foreign_noise = foreign_package.dataset:Noise

[mindone.metrics]
foreign_spread = foreign_package.metric:Spread
"""

RECIPE = """
env: {mode: 1, device_target: CPU, jit_level: null}
model: {name: foreign_scale}
dataset: {name: foreign_noise}
loss: {name: mse}
optimizer: {name: adamw_re, weight_decay: 0.0}
scheduler: {name: constant, lr: 0.05}
train: {steps: 8, batch_size: 2, save_every: 4, eval_every: 0, clip_norm: null}
eval: {metrics: [psnr]}
"""


@pytest.fixture(scope="session")
def foreign_folder(tmp_path_factory):
    """The folder it is installed in."""
    folder = tmp_path_factory.mktemp("foreign")
    package, info = folder / "foreign_package", folder / "foreign_package-1.0.dist-info"
    package.mkdir()
    info.mkdir()
    (package / "__init__.py").write_text("")
    (package / "model.py").write_text(MODEL)
    (package / "dataset.py").write_text(DATASET)
    (package / "metric.py").write_text(METRIC)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder


@pytest.fixture
def foreign_recipe(foreign_folder, tmp_path, monkeypatch):
    """Its recipe's path, with the package on this process's path."""
    monkeypatch.syspath_prepend(str(foreign_folder))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "foreign.yaml"
    path.write_text(RECIPE)
    yield path
    for name in [name for name in sys.modules if name.startswith("foreign_package")]:
        del sys.modules[name]
