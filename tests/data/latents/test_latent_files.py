"""Latents in files: round trips, and the scaling stored with them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from mindone_tae.data import LatentClip, read_latents, write_latents
from mindone_tae.data.latents.clip import CONVENTIONS
from mindone_tae.data.latents.clip_file import FORMAT, open_latents
from mindone_tae.models.latent import scaling
from mindone_tae.zoo.errors import UserError


@pytest.fixture
def clip():
    mean, logvar = np.random.default_rng(0).standard_normal((2, 4, 2, 3, 3)).astype(np.float32)
    return LatentClip(
        mean, logvar, frames=9, fps=8.0, size=(24, 24), source="a.mp4", scaling_factor=1.5, shift_factor=0.25
    )


@pytest.mark.parametrize("convention", ["none", "mindone", "diffusers"])
def test_a_clip_comes_back_with_all_that_was_noted(clip, tmp_path, convention):
    written = replace(clip, scaling_convention=convention, model={"name": "tae", "pretrained": "tae.ckpt"})
    write_latents(tmp_path / "a.safetensors", written)
    found = read_latents(tmp_path / "a.safetensors", convention)
    np.testing.assert_array_equal(found.mean, clip.mean)
    np.testing.assert_array_equal(found.logvar, clip.logvar)
    assert replace(found, mean=None, logvar=None) == replace(written, mean=None, logvar=None)


@pytest.mark.parametrize(
    ("held", "asked"), [("mindone", "diffusers"), ("diffusers", "mindone"), ("none", "mindone"), ("diffusers", "none")]
)
def test_latents_of_one_convention_are_not_read_as_of_another(clip, tmp_path, held, asked):
    write_latents(tmp_path / "a.safetensors", replace(clip, scaling_convention=held))
    with pytest.raises(UserError, match=f"its scaling convention is '{held}', and '{asked}' was asked for"):
        read_latents(tmp_path / "a.safetensors", asked)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"scaling_convention": "sd3"}, "scaling_convention is 'sd3'; it must be one of none, mindone, diffusers"),
        ({"scaling_convention": "mindone", "scaling_factor": None}, "scaling_factor None .* must be numbers"),
        ({"scaling_convention": "mindone", "scaling_factor": 0.0}, "scaling_factor not 0"),
        ({"scaling_convention": "diffusers", "shift_factor": float("nan")}, "shift_factor nan"),
    ],
)
def test_a_scaling_nobody_could_undo_is_neither_written_nor_read(clip, tmp_path, wrong, complaint):
    path = tmp_path / "a.safetensors"
    with pytest.raises(UserError, match=complaint):
        write_latents(path, replace(clip, **wrong))
    assert not path.exists()
    facts = {
        "frames": 9,
        "fps": 8.0,
        "size": [24, 24],
        "source": "a.mp4",
        "scaling_factor": 1.5,
        "shift_factor": 0.25,
        **wrong,
    }
    save_file(
        {"mean": clip.mean, "logvar": clip.logvar},
        path,
        {"format": FORMAT, **{key: json.dumps(value) for key, value in facts.items()}},
    )
    with pytest.raises(UserError, match=complaint):
        read_latents(path)


def test_a_file_that_does_not_say_how_it_is_scaled_is_refused(clip, tmp_path):
    facts = {"frames": 9, "fps": 8.0, "size": [24, 24], "source": "a.mp4"}
    metadata = {"format": FORMAT, **{key: json.dumps(value) for key, value in facts.items()}}
    save_file({"mean": clip.mean, "logvar": clip.logvar}, tmp_path / "a.safetensors", metadata)
    with pytest.raises(UserError, match="does not say how its latents are scaled"):
        read_latents(tmp_path / "a.safetensors")


def test_what_files_say_of_a_convention_is_what_the_code_does():
    assert tuple(CONVENTIONS) == scaling.CONVENTIONS
    for convention, formula in CONVENTIONS.items():
        values = {"z": 2.0, "scaling_factor": 1.5, "shift_factor": 0.25}
        assert eval(formula.removeprefix("scaled = "), values) == scaling.scale_latents(2.0, convention, 1.5, 0.25)


@pytest.mark.parametrize("content", [b"", b"\x10\x00", b"not a latent at all"])
def test_a_damaged_file_is_told(tmp_path, content):
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(UserError, match="a.safetensors cannot be read as a latent"):
        read_latents(tmp_path / "a.safetensors")


def test_a_sample_comes_back_without_mean_and_logvar(clip, tmp_path):
    written = replace(
        clip, mean=None, logvar=None, sample=clip.mean, seed=3, crop=(0.0, 2.5, 24.0, 26.5), source_state=(10, 20)
    )
    write_latents(tmp_path / "a.safetensors", written)
    found = read_latents(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(found.sample, clip.mean)
    assert found.mean is None and found.logvar is None
    assert replace(found, sample=None) == replace(written, sample=None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"source": "../../x.mp4"},
        {"source": "/etc/passwd"},
        {"source": "a/../../x"},
        {"source": 3},
        {"frames": 0},
        {"frames": 1e30},
        {"frames": True},
        {"fps": -1.0},
        {"fps": float("inf")},
        {"size": [24]},
        {"size": [24, -24]},
        {"size": "24"},
        {"crop": [0, 0, 1]},
        {"source_state": [1, "x"]},
        {"model": ["tae"]},
        {"mean": [1]},
        {"run": "rm -r /"},
    ],
)
def test_facts_that_no_latent_has_are_one_clear_error(clip, tmp_path, wrong):
    facts = {"frames": 9, "fps": 8.0, "size": [24, 24], "source": "a.mp4", "scaling_convention": "none", **wrong}
    metadata = {"format": FORMAT, **{key: json.dumps(value) for key, value in facts.items()}}
    save_file({"mean": clip.mean, "logvar": clip.logvar}, tmp_path / "a.safetensors", metadata)
    with pytest.raises(UserError, match=r"a\.safetensors.*: encode the clip again") as caught:
        read_latents(tmp_path / "a.safetensors")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("text", ["{", "[" * 100_000])
def test_metadata_that_is_no_json_is_one_clear_error(clip, tmp_path, text):
    save_file(
        {"mean": clip.mean, "logvar": clip.logvar}, tmp_path / "a.safetensors", {"format": FORMAT, "frames": text}
    )
    with pytest.raises(UserError, match="cannot be read as a latent"):
        read_latents(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    "tensors",
    [
        {"mean": (4, 2, 3, 3)},
        {"mean": (4, 2, 3, 3), "logvar": (4, 2, 3, 2)},
        {"mean": (4, 2, 3), "logvar": (4, 2, 3)},
        {"mean": (4, 0, 3, 3), "logvar": (4, 0, 3, 3)},
        {"mean": (4, 2, 3, 3), "logvar": (4, 2, 3, 3), "sample": (4, 2, 3, 3)},
    ],
)
def test_tensors_that_are_no_latent_are_refused(tmp_path, tensors):
    facts = {"frames": 9, "fps": 8.0, "size": [24, 24], "source": "a.mp4", "scaling_convention": "none"}
    metadata = {"format": FORMAT, **{key: json.dumps(value) for key, value in facts.items()}}
    save_file(
        {name: np.zeros(shape, np.float32) for name, shape in tensors.items()}, tmp_path / "a.safetensors", metadata
    )
    with pytest.raises(UserError, match="encode the clip again"):
        read_latents(tmp_path / "a.safetensors")


def test_numbers_of_a_file_that_was_written_again_are_refused(clip, tmp_path):
    write_latents(tmp_path / "a.safetensors", clip)
    latent = open_latents(tmp_path / "a.safetensors")
    write_latents(tmp_path / "a.safetensors", replace(clip, frames=10))
    with pytest.raises(UserError, match="was written again since it was opened"):
        latent.read()
