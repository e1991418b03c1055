"""`export` writes files, runs them and says how far they are from the model."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

import mindspore as ms

from mindone_tae import TemporalAutoencoder
from mindone_tae.cli import run
from mindone_tae.weights import save_weights

pytestmark = pytest.mark.apart

PAGE = (Path(__file__).parents[3] / "docs" / "export.md").read_text()
SMALL = {"latent_channels": 3, "block_out_channels": [4, 8], "layers_per_block": 1, "norm_num_groups": 2}


@pytest.fixture
def export(tmp_path, monkeypatch, capsys):
    """export(*words) runs the command on a small model's weights, in outputs/run, and gives what it printed."""
    monkeypatch.chdir(tmp_path)
    ms.set_seed(0)
    save_weights(TemporalAutoencoder(**SMALL), tmp_path / "outputs" / "run" / "tae.safetensors", {"config": SMALL})

    def call(*words, status=0):
        assert run(["export", *words]) == status
        return capsys.readouterr()

    return call


def on_the_page(file_format):
    """The words of docs/export.md's command for a format."""
    lines = re.findall(r"^    mindone-tae export (.+)$", re.sub(r"\\\n\s*", "", PAGE), re.MULTILINE)
    return next(shlex.split(line) for line in lines if f"--format {file_format}" in line)


def told(text):
    """The differences that the command printed."""
    return [float(number) for number in re.findall(r"differs by (\S+?)[, ]", text)]


def test_the_pages_onnx_files_are_written_compared_and_run_by_the_pages_code(export):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    said = told(export(*on_the_page("onnx")).out)
    assert len(said) == 9 and max(said) < 2e-4  # three shapes, three results
    code = next(block for block in re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL) if "onnxruntime" in block)
    found = {}
    exec(code, found)
    assert found["mean"].shape == (1, 3, 9, 32, 48) and (found["scale"], found["shift"]) == (1.5305, 0.0609)


def test_without_onnxruntime_files_are_written_and_it_is_said_that_nothing_was_compared(export, monkeypatch):
    pytest.importorskip("onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    text = export(*on_the_page("onnx")).out
    assert told(text) == [] and "onnxruntime is not installed" in text
    assert Path("outputs/onnx/encoder.onnx").is_file() and Path("outputs/onnx/decoder.onnx").is_file()


def test_the_pages_mindir_is_loaded_back_and_compared_and_any_device_has_its_operators(export):
    words = ("--image_size", "16,24", "--dtype", "float16", "--output_path", "outputs/für Lite")
    text = export(*on_the_page("mindir"), *words).out
    assert len(told(text)) == 3 and 0 < max(told(text)) < 5e-2
    facts = json.loads(Path("outputs/für Lite/mindir.json").read_text())
    assert (facts["pixels_shape"], facts["latents_shape"]) == ([1, 3, 8, 16, 24], [1, 3, 4, 8, 12])
    assert (facts["scaling_factor"], facts["dtype"]) == ("1.5305", "float16")
    # the CPU's form takes the operator of a trained batch norm for a norm's statistics
    assert b"BatchNorm" not in Path("outputs/für Lite/encoder.mindir").read_bytes()


@pytest.mark.parametrize(
    "words, remedy",
    [
        (["--format", "onnx", "--num_frames", "8"], "leave --num_frames out"),
        (["--format", "mindir"], "add, say, --num_frames 16 --image_size 256"),
        (["--format", "mindir", "--num_frames", "8", "--image_size", "256px"], "give 256 for a square"),
        (["--format", "mindir", "--num_frames", "0", "--image_size", "8"], "--num_frames is 0"),
        (["--format", "onnx", "model={name: sd3_vae}"], "give a TAE's weights"),
        (["--format", "mindir", "--num_frames", "8", "--image_size", "7"], "must be a multiple of 2"),
    ],
)
def test_what_cannot_be_exported_is_said_in_a_line(export, words, remedy):
    error = export("--ckpt_path", "outputs/run", *words, status=2).err
    assert remedy in error and len(error.splitlines()) == 1
