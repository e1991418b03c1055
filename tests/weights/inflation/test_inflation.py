"""An image VAE becomes a TAE that is the image VAE on one frame and on a still video."""

import json
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file
from torch_files import pickled, whole, write_zip

import mindspore as ms

from mindone_tae.models.autoencoder import TemporalAutoencoder
from mindone_tae.models.baselines.sd3_vae import SD3VAE
from mindone_tae.weights import inflate, load_weights, read_metadata, read_model, read_weights
from mindone_tae.weights.inflation.check import check_inflation
from mindone_tae.zoo.errors import UserError

TOOL = Path(__file__).parents[3] / "tools" / "inflate_vae_to_tae.py"
GROUPS = {"norm_num_groups": 2}


def still(frames):
    """The same image at every frame, (1, 3, frames, 8, 12)."""
    image = np.random.default_rng(3).uniform(-1, 1, (1, 3, 1, 8, 12)).astype(np.float32)
    return ms.Tensor(image.repeat(frames, axis=2))


@pytest.mark.parametrize(("layout", "halving"), [("diffusers", "identity"), ("original", "average")])
@pytest.mark.parametrize("frames", [1, 5])
def test_an_inflated_tae_equals_its_image_vae_on_one_frame_and_on_a_still_video(
    tmp_path, source, tiny, layout, halving, frames
):
    inflate(source(layout), tmp_path / "tae.safetensors", temporal_downsample=halving, **GROUPS)
    tae = TemporalAutoencoder(**tiny, pretrained=str(tmp_path / "tae.safetensors"))
    vae = SD3VAE(**tiny, pretrained=str(source(layout)))
    _, mean, logvar = vae.encode(still(1))
    recon = vae.decode(mean).asnumpy()
    _, tae_mean, tae_logvar = tae.encode(still(frames))
    tae_recon = tae.decode(tae_mean).asnumpy()
    assert tae_mean.shape[2] == -(-frames // 2) and tae_recon.shape[2] == 2 * tae_mean.shape[2]
    assert np.abs(recon).max() > 0.1  # not equal by being nothing
    np.testing.assert_allclose(tae_mean.asnumpy(), mean.asnumpy().repeat(tae_mean.shape[2], axis=2), atol=1e-5)
    np.testing.assert_allclose(tae_logvar.asnumpy(), logvar.asnumpy().repeat(tae_mean.shape[2], axis=2), atol=1e-5)
    np.testing.assert_allclose(tae_recon, recon.repeat(tae_recon.shape[2], axis=2), atol=2e-5)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_half_precision_sources_give_float32_with_the_same_values(tmp_path, source, dtype):
    path = source(change=lambda arrays: {name: array.astype(dtype) for name, array in arrays.items()})
    inflate(path, tmp_path / "tae.safetensors", **GROUPS)
    found = read_weights(tmp_path / "tae.safetensors")
    assert {array.dtype for array in found.values()} == {np.dtype(np.float32)}
    exact = read_weights(path)["encoder.down.1.block.0.nin_shortcut.weight"].astype(np.float32)
    np.testing.assert_array_equal(found["encoder.down.1.block.0.nin_shortcut.conv_spat.weight"], exact)


@pytest.mark.parametrize("name", ["vae.pt", "vae.ckpt", "diffusion_pytorch_model.bin"])
def test_pytorchs_own_file_of_a_vae_is_inflated_as_its_safetensors_is(tmp_path, source, image_vae, fake_torch, name):
    state = {key: whole(array, str(number)) for number, (key, array) in enumerate(image_vae("diffusers").items())}
    write_zip(tmp_path / name, *pickled(fake_torch, {"epoch": 3, "state_dict": state}))
    inflate(tmp_path / name, tmp_path / "from_torch.safetensors", **GROUPS)
    inflate(source(), tmp_path / "tae.safetensors", **GROUPS)
    found, expected = (read_weights(tmp_path / f"{stem}.safetensors") for stem in ("from_torch", "tae"))
    assert found.keys() == expected.keys() and all(np.array_equal(found[name], expected[name]) for name in expected)


def test_all_targets_hold_the_same_weights(tmp_path, source):
    for target in ("tae.safetensors", "tae.ckpt", "folder"):
        inflate(source(), tmp_path / target, **GROUPS)
    expected = read_weights(tmp_path / "tae.safetensors")
    for target in ("tae.ckpt", "folder"):
        found = read_weights(tmp_path / target)
        assert found.keys() == expected.keys()
        assert all(np.array_equal(found[name], expected[name]) for name in expected)
    config = json.loads((tmp_path / "folder" / "config.json").read_text())
    assert (
        config["_class_name"] == "AutoencoderKLTAE"
        and config["block_out_channels"] == [4, 8]
        and config["norm_num_groups"] == 2
    )
    assert json.loads(read_metadata(tmp_path / "tae.ckpt")["config"])["latent_channels"] == 3
    assert "encoder.norm_out.weight" in load_file(tmp_path / "folder" / "diffusion_pytorch_model.safetensors")


def test_every_source_tensor_is_used_and_every_parameter_filled(tmp_path, source, image_vae, tiny):
    done = inflate(source(), tmp_path / "tae.safetensors", **GROUPS)
    names = {parameter.name for parameter in TemporalAutoencoder(**tiny).get_parameters()}
    assert done.used.keys() == image_vae("diffusers").keys() and done.skipped == {}
    assert sorted([*done.used.values(), *done.started]) == sorted(names)


def test_temporal_layers_start_as_the_identity(tmp_path, source):
    done = inflate(source(), tmp_path / "tae.safetensors", **GROUPS)
    found = read_weights(tmp_path / "tae.safetensors")
    kernels = [
        name for name in done.started if name.endswith("weight") and ("conv_temp" in name or "sample_temp" in name)
    ]
    for name in kernels:
        channels, _, _, taps = found[name].shape
        expected = np.zeros((channels, channels, taps))
        expected[:, :, taps // 2] = np.eye(channels)
        np.testing.assert_array_equal(found[name][:, :, 0], expected)
    outputs = [name for name in done.started if ".attn_1.1.proj_out." in name]
    assert len(kernels) > 20 and len(outputs) == 4 and not any(found[name].any() for name in outputs)


def test_halvings_of_time_may_start_as_the_mean_of_their_two_frames(tmp_path, source, tiny):
    for halving in ("identity", "average"):
        inflate(source(), tmp_path / f"{halving}.safetensors", temporal_downsample=halving, **GROUPS)
    identity, average = (read_weights(tmp_path / f"{halving}.safetensors") for halving in ("identity", "average"))
    changed = {name for name in identity if not np.array_equal(identity[name], average[name])}
    assert changed == {"encoder.down.0.downsample_temp.conv.weight"}  # this network halves time once
    tae = TemporalAutoencoder(**tiny, pretrained=str(tmp_path / "average.safetensors"))
    x = np.random.default_rng(0).standard_normal((1, 4, 5, 2, 3)).astype(np.float32)
    found = tae.encoder.down[0].downsample_temp(ms.Tensor(x)).asnumpy()
    np.testing.assert_allclose(found, (x[:, :, [0, 2, 4]] + x[:, :, [1, 3, 4]]) / 2, atol=1e-6)


def test_an_unknown_start_of_halvings_is_refused(tmp_path, source):
    with pytest.raises(UserError, match="temporal_downsample is 'mean'; it must be 'identity' or 'average'"):
        inflate(source(), tmp_path / "tae.safetensors", temporal_downsample="mean", **GROUPS)


def test_a_config_beside_the_weights_gives_groups_and_factors(tmp_path, source):
    folder = tmp_path / "vae"
    folder.mkdir()
    source(name="vae/diffusion_pytorch_model.safetensors")
    (folder / "config.json").write_text(
        json.dumps({"_class_name": "AutoencoderKL", "norm_num_groups": 4, "scaling_factor": 1.25, "shift_factor": 0.5})
    )
    for given in (folder, folder / "diffusion_pytorch_model.safetensors"):
        config = inflate(given, tmp_path / "tae.safetensors").config
        assert [config[key] for key in ("norm_num_groups", "scaling_factor", "shift_factor")] == [4, 1.25, 0.5]
        assert config["block_out_channels"] == (4, 8) and config["latent_channels"] == 3


@pytest.mark.parametrize(("widths", "layers", "latent"), [((8,), 2, 4), ((4, 8, 12), 1, 5), ((4, 4, 4, 8), 3, 2)])
def test_the_architecture_is_told_from_the_shapes(tmp_path, source, widths, layers, latent):
    config = inflate(
        source("original", widths=widths, layers=layers, latent=latent), tmp_path / "tae.safetensors", **GROUPS
    ).config
    assert (config["block_out_channels"], config["layers_per_block"], config["latent_channels"]) == (
        widths,
        layers,
        latent,
    )
    load_weights(TemporalAutoencoder(**config), tmp_path / "tae.safetensors")


def test_groups_that_cannot_be_told_are_asked_for(tmp_path, source):
    with pytest.raises(
        UserError, match=r"norm_num_groups is 32; it must divide every width, and those are \(4, 8\).*--norm_num_groups"
    ):
        inflate(source(), tmp_path / "tae.safetensors")


@pytest.mark.parametrize("prefix", ["first_stage_model.", ""])
def test_of_a_whole_checkpoint_the_rest_is_named_as_skipped(tmp_path, source, image_vae, prefix):
    others = {"model.diffusion_model.x.weight": np.zeros(2, np.float32), "loss.logvar": np.zeros(1, np.float32)}

    def change(arrays):
        return {**{f"{prefix}{name}": array for name, array in arrays.items()}, **others}

    lines = []
    done = inflate(source("original", change=change), tmp_path / "tae.safetensors", report=lines.append, **GROUPS)
    assert done.skipped == {
        "model.diffusion_model.x.weight": "of another network (model.diffusion_model)",
        "loss.logvar": "of another network (loss)",
    }
    assert len(done.used) == len(image_vae("original"))
    assert "skipped 1, of another network (loss): loss.logvar" in lines
    inflate(source("original"), tmp_path / "alone.safetensors", **GROUPS)
    assert (tmp_path / "alone.safetensors").read_bytes() == (tmp_path / "tae.safetensors").read_bytes()


@pytest.mark.parametrize("target", ["tae.safetensors", "tae.ckpt", "folder"])
def test_the_check_loads_the_result_and_tells_what_it_found(tmp_path, source, target):
    lines = []
    inflate(source(), tmp_path / target, check=True, report=lines.append, **GROUPS)
    checks = [line for line in lines if line.startswith("check")]
    assert [line.split(":")[0] for line in checks] == [
        "check, one frame",
        "check, a still video of 9 frames",
        "check passed",
    ]


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("encoder.down.0.block.0.conv1.conv_temp.weight", (0, 0, 0, 1)),  # a centre tap
        ("decoder.mid.attn_1.1.proj_out.weight", (0, 0)),  # temporal attention that adds something
        ("decoder.up.1.upsample_temp.conv.weight", (0, 0, 0, 0)),  # a tap that sees the zeros past the ends
        ("encoder.conv_in.conv_spat.bias", (0,)),
    ],
)
def test_the_check_finds_one_wrong_number(tmp_path, source, tiny, name, index):
    inflate(source(), tmp_path / "tae.safetensors", **GROUPS)
    tae = TemporalAutoencoder(**tiny, pretrained=str(tmp_path / "tae.safetensors"))
    vae = SD3VAE(**tiny, pretrained=str(source()))
    check_inflation(tae, vae, lambda line: None)
    parameter = dict(tae.parameters_and_names())[name]
    wrong = parameter.asnumpy().copy()
    wrong[index] += 0.3
    parameter.set_data(ms.Tensor(wrong))
    with pytest.raises(RuntimeError, match="differs from its image VAE by"):
        check_inflation(tae, vae, lambda line: None)


def test_the_tool_inflates_and_checks(tmp_path, source):
    command = [
        sys.executable,
        TOOL,
        "--src",
        source(),
        "--target",
        tmp_path / "tae.safetensors",
        "--norm_num_groups",
        "2",
        "--check",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "check passed" in done.stdout
    assert len(read_weights(tmp_path / "tae.safetensors")) == 196  # 124 of the image VAE, 72 temporal


def test_the_tool_tells_a_mistake_in_one_line_and_exits_with_2(tmp_path):
    command = [sys.executable, TOOL, "--src", tmp_path / "gone.safetensors", "--target", tmp_path / "tae.safetensors"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "gone.safetensors: no such file" in done.stderr and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("target", ["tae.safetensors", "tae.ckpt", "folder"])
def test_what_was_written_tells_the_model_it_is_of(tmp_path, source, target):
    done = inflate(source(), tmp_path / target, **GROUPS)
    noted = read_model(tmp_path / target)
    assert noted == {**done.config, "block_out_channels": [4, 8]}
    load_weights(TemporalAutoencoder(**noted), tmp_path / target)
