"""Saving: atomic, and in layouts that other packages read."""

import json
import os

import numpy as np
import pytest
from safetensors import safe_open

import mindspore as ms

from mindone_tae.weights import load_weights, read_weights, save_diffusers_folder, save_weights
from mindone_tae.zoo.errors import UserError

OLD, NEW = {"x": np.zeros(3, np.float32)}, {"x": np.ones(3, np.float32)}


@pytest.mark.parametrize("name", ["a.safetensors", "a.ckpt"])
@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failure_at_the_last_moment_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, name, failing):
    save_weights(OLD, tmp_path / name)

    def fail(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"mindone_tae.zoo.atomic_file.os.{failing}", fail)
    with pytest.raises(UserError, match="No space left"):
        save_weights(NEW, tmp_path / name)
    monkeypatch.undo()
    assert read_weights(tmp_path / name)["x"].tolist() == [0, 0, 0]
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", ["a.safetensors", "a.ckpt"])
def test_a_failure_while_writing_leaves_the_old_file_and_nothing_else(tmp_path, name):
    save_weights(OLD, tmp_path / name)
    with pytest.raises(UserError, match="x is of type complex64"):
        save_weights({"x": np.zeros(3, np.complex64)}, tmp_path / name)
    assert read_weights(tmp_path / name)["x"].tolist() == [0, 0, 0]
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", ["a.safetensors", "a.ckpt"])
def test_the_content_is_on_the_disk_before_the_name_changes(tmp_path, monkeypatch, name):
    done = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("fsync"), fsync(handle)))
    monkeypatch.setattr(
        "mindone_tae.zoo.atomic_file.os.replace", lambda *paths: (done.append("replace"), replace(*paths))
    )
    save_weights(NEW, tmp_path / name)
    assert "fsync" in done[: done.index("replace")] and "fsync" in done[done.index("replace") :]


@pytest.mark.parametrize("name", ["a.safetensors", "a.ckpt"])
def test_an_older_file_is_replaced_and_folders_are_made(tmp_path, name):
    for params in (OLD, NEW):
        save_weights(params, tmp_path / "deep" / "er" / name)
    assert read_weights(tmp_path / "deep" / "er" / name)["x"].tolist() == [1, 1, 1]
    assert os.listdir(tmp_path / "deep" / "er") == [name]


def test_a_cell_is_saved_under_its_parameters_names(tmp_path, make_tae, arrays_of):
    tae = make_tae()
    save_weights(tae, str(tmp_path / "a.safetensors"))
    found = read_weights(tmp_path / "a.safetensors")
    for name, array in arrays_of(tae).items():
        np.testing.assert_array_equal(found[name], array)


def test_tensors_and_parameters_of_any_type_are_taken(tmp_path):
    params = {
        "a": ms.Tensor(np.array([1.5], np.float32)).astype(ms.bfloat16),
        "b": ms.Parameter(ms.Tensor(np.array([2.5], np.float16)), name="elsewhere"),
        "c": ms.Tensor(np.array([7], np.int64)),
    }
    save_weights(params, tmp_path / "a.safetensors", dtype="float32")
    found = read_weights(tmp_path / "a.safetensors")
    assert {name: (str(array.dtype), array[0]) for name, array in found.items()} == {
        "a": ("float32", 1.5),
        "b": ("float32", 2.5),
        "c": ("int64", 7),  # a count stays one
    }


@pytest.mark.parametrize("name, ending", [("a.pth", ".pth"), ("a", "neither"), ("a.safetensor", ".safetensor")])
def test_another_suffix_is_refused(tmp_path, name, ending):
    with pytest.raises(
        UserError, match=rf"weights are saved as \.safetensors or \.ckpt, and the name ends in {ending}:"
    ):
        save_weights(OLD, tmp_path / name)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "params, metadata, complaint",
    [
        ([ms.Parameter(np.zeros(3, np.float32), name="x")], None, "params is a list; it must be a Cell, or map names"),
        (None, None, "params is a NoneType"),
        (OLD, {"dtype": ms.float32}, "metadata is stored as JSON: Object of type Float is not JSON serializable: give"),
    ],
)
def test_what_cannot_be_saved_is_told_in_a_sentence(tmp_path, params, metadata, complaint):
    with pytest.raises(UserError, match=complaint):
        save_weights(params, tmp_path / "a.safetensors", metadata)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["a.safetensors", "a.ckpt"])
def test_numbers_of_the_other_byte_order_are_saved(tmp_path, name):
    save_weights({"x": np.array([1.5, -2], ">f4")}, tmp_path / name)
    assert read_weights(tmp_path / name)["x"].tolist() == [1.5, -2]


def test_an_unknown_type_is_refused(tmp_path):
    with pytest.raises(UserError, match="dtype is 'int8'"):
        save_weights(OLD, tmp_path / "a.safetensors", dtype="int8")


def test_a_diffusers_folder_has_the_layout_of_pytorch(tmp_path, make_tae, arrays_of):
    tae = make_tae()
    save_diffusers_folder(tae, tmp_path / "vae", {"_class_name": "AutoencoderKLTAE", "latent_channels": 3})
    assert json.loads((tmp_path / "vae" / "config.json").read_text())["latent_channels"] == 3
    ours = arrays_of(tae)
    with safe_open(tmp_path / "vae" / "diffusion_pytorch_model.safetensors", "numpy") as file:
        assert file.metadata()["format"] == "pt"
        names = set(file.keys())
        assert len(names) == len(ours) and not any(name.endswith(("gamma", "beta")) for name in names)
        np.testing.assert_array_equal(file.get_tensor("encoder.norm_out.weight"), ours["encoder.norm_out.gamma"])
        np.testing.assert_array_equal(
            file.get_tensor("encoder.mid.attn_1.1.norm.bias"), ours["encoder.mid.attn_1.1.norm.beta"]
        )
        for name in ("conv_in.conv_temp", "down.0.downsample_temp.conv", "down.1.block.0.nin_shortcut.conv_temp"):
            kernel = file.get_tensor(f"encoder.{name}.weight")
            assert kernel.ndim == 3
            np.testing.assert_array_equal(kernel, ours[f"encoder.{name}.weight"][:, :, 0])


def test_a_diffusers_folder_loads_back_to_the_same_parameters(tmp_path, make_tae, arrays_of):
    tae, other = make_tae(0), make_tae(1)
    save_diffusers_folder(tae, tmp_path / "vae", {})
    load_weights(other, tmp_path / "vae")
    found = arrays_of(other)
    for name, array in arrays_of(tae).items():
        np.testing.assert_array_equal(found[name], array)


def test_a_model_in_use_is_saved_under_its_own_names(tmp_path, make_tae, arrays_of):
    tae = make_tae()
    expected = arrays_of(tae).keys()
    tae.decode(ms.Tensor(np.zeros((1, 3, 1, 2, 2), np.float32)))
    save_weights(tae, tmp_path / "a.safetensors")
    assert read_weights(tmp_path / "a.safetensors").keys() == expected


@pytest.mark.parametrize("umask, mode", [(0o022, 0o644), (0o077, 0o600)])
@pytest.mark.parametrize("name", ["a.safetensors", "a.ckpt"])
def test_files_have_the_mode_that_the_umask_leaves(tmp_path, name, umask, mode):
    before = os.umask(umask)
    try:
        save_weights(NEW, tmp_path / name)
    finally:
        assert os.umask(before) == umask
    assert os.stat(tmp_path / name).st_mode & 0o777 == mode
