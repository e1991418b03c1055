"""The data set `tae_latents` serves what encode wrote: scaled as asked, seeded, one shape a step."""

from dataclasses import replace

import numpy as np
import pytest

from mindone_tae.data import LatentClip, LatentsDataset, write_latents
from mindone_tae.zoo.errors import UserError
from mindone_tae.zoo.training.batches import BatchLoader


def clip_of(number, lt=2, **facts):
    mean, logvar = np.random.default_rng(number).standard_normal((2, 4, lt, 3, 3), dtype=np.float32)
    return replace(
        LatentClip(
            mean, logvar - 4, 8 * lt, 8.0, (24, 24), "a", scaling_factor=1.5, shift_factor=0.25, model={"sha256": "ab"}
        ),
        **facts,
    )


@pytest.fixture
def folder(tmp_path):
    for number in range(5):
        write_latents(tmp_path / f"deep/{number}.mp4.safetensors", clip_of(number, lt=1 + (number > 2)))
    return tmp_path


def test_means_are_served_as_they_lie_and_scaled_by_the_convention_asked_for(folder):
    mean = clip_of(3, 2).mean
    np.testing.assert_array_equal(LatentsDataset(str(folder))[3][0], mean)
    np.testing.assert_allclose(
        LatentsDataset(str(folder), convention="mindone")[3][0], 1.5 * mean + 0.25, rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(
        LatentsDataset(str(folder), convention="diffusers")[3][0], (mean - 0.25) * 1.5, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("convention", ["none", "mindone", "diffusers"])
def test_how_the_files_are_scaled_makes_no_difference(folder, tmp_path, convention):
    wanted = LatentsDataset(str(folder), convention=convention)[3][0]
    clip = clip_of(3, 2)
    other = replace(
        clip,
        mean=(clip.mean - 0.25) * 1.5,
        logvar=clip.logvar + 2 * np.log(np.float32(1.5)),
        scaling_convention="diffusers",
    )
    write_latents(folder / "deep/3.mp4.safetensors", other)
    np.testing.assert_allclose(LatentsDataset(str(folder), convention=convention)[3][0], wanted, atol=1e-5)


def test_samples_follow_the_posterior_and_the_generator_alone(folder):
    dataset, clip = LatentsDataset(str(folder), posterior="sample"), clip_of(3, 2)
    drawn = np.stack([dataset.sample(3, np.random.default_rng(seed))[0] for seed in range(400)])
    spread = np.exp(0.5 * clip.logvar)
    assert np.abs((drawn.mean(0) - clip.mean) / spread).max() < 5 / np.sqrt(400)
    assert np.abs(drawn.std(0) / spread - 1).max() < 0.2
    np.testing.assert_array_equal(dataset.sample(3, np.random.default_rng(7))[0], drawn[7])
    np.testing.assert_array_equal(dataset[3][0], dataset[3][0])


@pytest.mark.parametrize("workers", [1, 3])
def test_batches_have_one_shape_and_do_not_depend_on_the_workers(folder, workers):
    dataset = LatentsDataset(str(folder), posterior="sample", output_columns=["latent", "path"])
    loader = BatchLoader(dataset, batch_size=3, seed=1, num_workers=workers)
    found = [(latent.shape, tuple(path), latent.sum()) for latent, path in loader.stream(0, 12)]
    assert {shape for shape, _, _ in found} == {(3, 4, 1, 3, 3), (3, 4, 2, 3, 3)}
    assert {name for _, names, _ in found for name in names} == {f"deep/{number}.mp4" for number in range(5)}
    again = BatchLoader(dataset, batch_size=3, seed=1, num_workers=2)
    assert found == [(latent.shape, tuple(path), latent.sum()) for latent, path in again.stream(0, 12)]


def test_samples_that_encode_kept_are_served_as_samples_only(folder):
    clip = clip_of(0)
    for number in range(5):
        write_latents(
            folder / f"deep/{number}.mp4.safetensors", replace(clip, mean=None, logvar=None, sample=clip.mean, seed=42)
        )
    np.testing.assert_array_equal(LatentsDataset(str(folder), posterior="sample")[0][0], clip.mean)
    with pytest.raises(UserError, match="holds a sample and not the mean"):
        LatentsDataset(str(folder))


def test_a_damaged_file_is_left_out_and_told(folder):
    (folder / "deep/1.mp4.safetensors").write_bytes(b"x" * 20)
    dataset = LatentsDataset(str(folder))
    assert len(dataset) == 4 and [path for path, _ in dataset.unreadable] == [str(folder / "deep/1.mp4.safetensors")]
    assert dataset.describe(1) == {
        "path": "deep/2.mp4",
        "relative_path": "deep/2.mp4",
        "frames": 8,
        "fps": 8.0,
        "size": (24, 24),
        "shape": (4, 1, 3, 3),
    }


@pytest.mark.parametrize(
    ("keywords", "complaint"),
    [
        ({"posterior": "maen"}, "did you mean 'mean'"),
        ({"convention": "sd3"}, "convention is .sd3.; it must be one of none, mindone, diffusers"),
        ({"output_columns": ["video"]}, "an entry of output_columns is .video.; it must be one of latent, path"),
        ({"output_columns": []}, "output_columns is empty"),
        ({"folder": "nowhere"}, "must be the folder that mindone-tae encode wrote"),
    ],
)
def test_a_wrong_keyword_is_told(folder, keywords, complaint):
    with pytest.raises(UserError, match=complaint):
        LatentsDataset(**{"folder": str(folder), **keywords})


def test_latents_of_two_checkpoints_are_refused_together(folder):
    write_latents(folder / "deep/3.mp4.safetensors", clip_of(3, 2, model={"sha256": "cd"}))
    with pytest.raises(UserError, match="latents of 2 checkpoints"):
        LatentsDataset(str(folder))


def test_latents_of_a_model_without_factors_are_served_unscaled_only(folder):
    write_latents(folder / "deep/3.mp4.safetensors", clip_of(3, 2, scaling_factor=None))
    assert len(LatentsDataset(str(folder))) == 5
    with pytest.raises(UserError, match="has no scaling_factor"):
        LatentsDataset(str(folder), convention="mindone")


@pytest.mark.parametrize(
    ("kind", "value", "facts"),
    [
        ("mean", np.nan, {}),
        ("logvar", 1e30, {}),
        ("mean", 0.0, {"scaling_convention": "mindone", "scaling_factor": 1e-320}),
    ],
)
def test_numbers_that_are_not_finite_train_nothing(tmp_path, kind, value, facts):
    clip = clip_of(0)
    spoilt = getattr(clip, kind).copy()
    spoilt[0, 0, 0, 0] = value
    write_latents(tmp_path / "a.mp4.safetensors", replace(clip, **{kind: spoilt}, **facts))
    with pytest.raises(UserError, match="a.mp4.safetensors holds numbers that are not finite"):
        LatentsDataset(str(tmp_path), "sample")[0]
