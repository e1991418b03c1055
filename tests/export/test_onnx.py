"""ONNX files compute what the published example computes, on every shape what MindSpore does, and say what they are."""

import json
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

import mindspore as ms

from mindone_tae import TemporalAutoencoder
from mindone_tae.export.agreement import Disagreement, differences
from mindone_tae.export.facts import facts
from mindone_tae.export.onnx_file import onnx_model, require_onnx
from mindone_tae.zoo.errors import UserError

onnx = pytest.importorskip("onnx", reason="onnx is not installed: the extra `onnx` brings it")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: the extra `onnx` brings it")

VECTORS = np.load(Path(__file__).parents[1] / "models" / "golden" / "golden_ch32.npz")
KEYS = sorted({name.split("/")[0] for name in VECTORS})


class Exported:
    """Both graphs of a model, run by onnxruntime."""

    def __init__(self, model):
        self.models = {
            part: onnx_model(part, model, facts(model, "a/tae.ckpt", "0" * 64)) for part in ("encoder", "decoder")
        }
        self.sessions = {
            part: onnxruntime.InferenceSession(built.SerializeToString(), providers=["CPUExecutionProvider"])
            for part, built in self.models.items()
        }

    def encode(self, x):
        return self.sessions["encoder"].run(["mean", "logvar"], {"x": x})

    def decode(self, z):
        return self.sessions["decoder"].run(["recon"], {"z": z})[0]


def golden_weight(name, shape):
    """The weight that the golden file was computed with, by the rule that comes with it."""
    drawn = np.random.default_rng(zlib.crc32(("tae-" + name).encode())).standard_normal(shape)
    if name.endswith(".gamma"):
        return 1 + 0.1 * drawn
    return 0.05 * drawn if name.endswith((".beta", ".bias")) else drawn / np.sqrt(np.prod(shape[1:]))


@pytest.fixture(scope="module")
def golden():
    model = TemporalAutoencoder(block_out_channels=(32, 64, 128, 128))
    for parameter in model.get_parameters():
        parameter.set_data(ms.Tensor(golden_weight(parameter.name, parameter.shape).astype(np.float32)))
    return Exported(model)


@pytest.fixture(scope="module")
def exported(small):
    return Exported(small)


@pytest.mark.parametrize("key", KEYS)
def test_files_meet_the_golden_vectors(golden, key):
    rng = np.random.default_rng(int(VECTORS[f"{key}/seed"]))
    x = np.clip(rng.standard_normal(tuple(map(int, key.split("x")))) * 0.5, -1, 1).astype(np.float32)
    mean, logvar = golden.encode(x)
    found = {"mean": mean, "logvar": logvar, "recon": golden.decode(mean)}
    expected = {name: VECTORS[f"{key}/{name}"] for name in found}
    assert {name: array.shape for name, array in found.items()} == {
        name: array.shape for name, array in expected.items()
    }
    assert max(np.abs(found[name] - expected[name]).max() for name in found) < 2e-4


@pytest.mark.parametrize(
    "shape", [(1, 3, 1, 4, 6), (1, 3, 8, 6, 4), (1, 3, 9, 4, 10), (2, 3, 5, 8, 6), (3, 3, 1, 2, 2)]
)
def test_one_pair_of_files_agrees_with_mindspore_on_any_batch_length_and_size(exported, small, pynative, shape):
    x = np.clip(np.random.default_rng(1).standard_normal(shape) * 0.5, -1, 1).astype(np.float32)
    _, mean, logvar = small.encode(x)
    found = exported.encode(x)
    assert [array.shape for array in found] == [mean.shape] * 2
    assert max(np.abs(found[0] - mean).max(), np.abs(found[1] - logvar).max()) < 2e-4
    recon = small.decode(mean)
    assert exported.decode(mean).shape == recon.shape
    assert np.abs(exported.decode(mean) - recon).max() < 2e-4


def test_logvar_is_clipped_as_the_model_clips_it(small):
    """A bias far outside: what comes out is the bound."""
    model = TemporalAutoencoder(latent_channels=3, block_out_channels=(4, 8), layers_per_block=1, norm_num_groups=2)
    bias = np.array([0, 0, 0, 500, -500, 0], np.float32)
    model.encoder.conv_out.conv_temp.bias.set_data(ms.Tensor(bias))
    _, logvar = Exported(model).encode(np.zeros((1, 3, 1, 2, 2), np.float32))
    assert (logvar[0, 0].item(), logvar[0, 1].item()) == (20.0, -30.0)


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_file_says_what_it_takes_and_how_latents_are_scaled(exported, part):
    built = exported.models[part]
    assert [entry.version for entry in built.opset_import if entry.domain == ""] >= [17]
    axes = [axis.dim_param or axis.dim_value for axis in built.graph.input[0].type.tensor_type.shape.dim]
    assert (
        axes
        == {
            "encoder": ["batch", 3, "frames", "height", "width"],
            "decoder": ["batch", 3, "latent_frames", "latent_height", "latent_width"],
        }[part]
    )
    noted = {entry.key: entry.value for entry in built.metadata_props}
    assert noted["part"] == part
    assert (noted["scaling_factor"], noted["shift_factor"]) == ("1.5305", "0.0609")
    assert json.loads(noted["model"])["block_out_channels"] == [4, 8]
    assert (noted["time_ratio"], noted["space_ratio"]) == ("2", "2")
    assert noted["weights"] == "tae.ckpt"  # not the folders of the machine it was made on
    assert "scaling_factor * z + shift_factor" in noted["convention_mindone"]


def test_weights_travel_under_their_published_names(exported, small):
    names = {numbers.name for part in exported.models.values() for numbers in part.graph.initializer}
    assert {name for name, _ in small.parameters_and_names()} <= names


def test_a_file_that_computes_something_else_is_refused():
    right = {"mean": np.zeros((1, 2), np.float32), "recon": np.full((1, 2), 10.0, np.float32)}
    assert differences({"mean": right["mean"] + 1e-4}, right, "float32", "it") == {"mean": pytest.approx(1e-4)}
    assert differences({"recon": right["recon"] + 1e-3}, right, "float32", "it")  # of 10, a ten-thousandth
    for wrong in (right["mean"] + 3e-4, np.full((1, 2), np.nan, np.float32), np.zeros((2, 2), np.float32)):
        with pytest.raises(Disagreement, match="mean"):
            differences({"mean": wrong}, right, "float32", "it")


def test_without_the_package_onnx_the_remedy_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UserError, match=r"pip install 'mindone_tae\[onnx\]'"):
        require_onnx()
