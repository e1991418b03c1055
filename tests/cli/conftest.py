"""What tests of commands share: weights of two small models, a folder of clips, commands' words; and a browser."""

import shutil
import subprocess
import sys

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
def words_on_videos(weights):
    """words_on_videos(command, *words): words of a command that takes a model and `videos`."""
    shared = ["--ckpt_path", str(weights / "0.safetensors"), "--video_folder", "videos", "--image_size", "8,16"]
    return lambda command, *words: [command, *shared, *map(str, words)]


@pytest.fixture
def encode_words(words_on_videos):
    """encode_words(*words) are the command's."""
    return lambda *words: words_on_videos("encode", *words)


@pytest.fixture
def decode_words(weights):
    """decode_words(latent_folder, output_path, *words, number=0) are the command's; number of the weights."""
    return lambda latents, out, *words, number=0: [
        *("decode", "--ckpt_path", str(weights / f"{number}.safetensors")),
        *("--latent_folder", str(latents), "--output_path", str(out), *map(str, words)),
    ]


@pytest.fixture
def encode(encode_words, videos, capsys):
    """encode(*words) runs the command here and gives what it printed."""

    def call(*words, status=0):
        assert run(encode_words("--output_path", *words)) == status
        return capsys.readouterr()

    return call


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """command(*words) runs a command in tmp_path and gives what it printed on stdout."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        assert run(list(map(str, words))) == 0
        return capsys.readouterr().out

    return call


@pytest.fixture
def without_mindspore():
    """without_mindspore(words) runs a command in a fresh process, which must succeed and import no MindSpore."""

    def call(words):
        code = (
            "import sys\nimport mindone_tae\nfrom mindone_tae.cli import run\n"
            f"status = run({words!r})\n"
            "assert 'mindspore' not in sys.modules, 'mindspore'\nassert 'mindone' not in sys.modules, 'mindone'\n"
            "sys.exit(status)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    return call


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium by way of selenium, which logs what it requests; skipped where either is missing."""
    webdriver = pytest.importorskip(
        "selenium.webdriver", reason="no browser test: selenium is not installed (pip install '.[test]')"
    )
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    if None in programs.values():
        pytest.skip("no browser test: chromium or chromedriver is missing (apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = programs["chromium"]
    quiet = "disable-background-networking no-first-run disable-sync disable-component-update disable-default-apps"
    for word in f"headless=new no-sandbox disable-gpu hide-scrollbars force-device-scale-factor=1 {quiet}".split():
        options.add_argument(f"--{word}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(programs["chromedriver"]))
    driver.set_script_timeout(30)
    yield driver
    driver.quit()
