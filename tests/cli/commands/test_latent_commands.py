"""encode, decode and latent-stats distinguish scaled from unscaled latents."""

import json
from dataclasses import replace

import numpy as np
import pytest

import mindspore as ms

from mindone_tae import TemporalAutoencoder
from mindone_tae.cli import run
from mindone_tae.cli.factors import warn_of_factors
from mindone_tae.data import LatentClip, open_video, read_latents, write_latents, write_video
from mindone_tae.models.latent.scaling import scale_posterior
from mindone_tae.weights import save_diffusers_folder, save_weights

pytestmark = pytest.mark.apart

TINY = {
    "block_out_channels": [8, 8, 8, 8],
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "scaling_factor": 1.5,
    "shift_factor": 0.25,
}


@pytest.fixture(scope="module")
def tae():
    ms.set_seed(0)
    return TemporalAutoencoder(**TINY).set_train(False)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    rng = np.random.default_rng(0)
    for name, frames in {"a.mp4": 9, "b.mp4": 17}.items():
        write_video(folder / name, rng.integers(0, 255, (frames, 16, 24, 3), np.uint8), fps=10)
    return folder


def posterior(seed=0, frames=9):
    mean, logvar = np.random.default_rng(seed).standard_normal((2, 16, -(-frames // 8), 2, 3)).astype(np.float32)
    return LatentClip(
        mean, logvar - 3, frames, fps=8.0, size=(16, 24), source="a.mp4", scaling_factor=1.5, shift_factor=0.25
    )


def scaled(clip, convention):
    mean, logvar = scale_posterior(clip.mean, clip.logvar, convention, 1.5, 0.25)
    return replace(clip, mean=mean, logvar=logvar, scaling_convention=convention)


@pytest.fixture
def mixed(tmp_path):
    """A folder with one clip's latent, unscaled and scaled by either convention."""
    write_latents(tmp_path / "latents/none.mp4.safetensors", posterior())
    for convention in ("mindone", "diffusers"):
        write_latents(tmp_path / f"latents/{convention}.mp4.safetensors", scaled(posterior(), convention))
    return tmp_path / "latents"


def test_decode_undoes_the_scaling_that_each_file_carries(tae, mixed, command, tmp_path):
    save_weights(tae, tmp_path / "tae.ckpt", {"config": TINY})
    command("decode", "--ckpt_path", "tae.ckpt", "--latent_folder", "latents", "--output_path", "back")
    found = {}
    for convention in ("none", "mindone", "diffusers"):
        with open_video(tmp_path / f"back/{convention}.mp4.mp4") as reader:
            found[convention] = reader.read(range(9)).astype(float)
    recon = {
        name: pixels(tae, clip)
        for name, clip in {"right": posterior(), "washed out": scaled(posterior(), "mindone")}.items()
    }
    assert np.abs(recon["right"] - recon["washed out"]).mean() > 3
    for video in found.values():
        assert np.abs(video - found["none"]).mean() < 0.5
        assert np.abs(video - recon["right"]).mean() < np.abs(video - recon["washed out"]).mean()


def pixels(tae, clip):
    """(t, h, w, c), 0 to 255, of a latent taken as it is."""
    recon = tae.decode(ms.Tensor(clip.mean[None]), clip.frames).asnumpy()[0].transpose(1, 2, 3, 0)
    return np.clip((recon + 1) * 127.5, 0, 255)


def test_encode_writes_scaled_latents_and_latent_stats_sees_through_the_scaling(tae, videos, command, tmp_path):
    save_diffusers_folder(tae, tmp_path / "tae", {"_class_name": "AutoencoderKLTAE", **TINY})
    words = ["--ckpt_path", "tae", "--video_folder", videos, "--image_size", "16,24", "--output_path"]
    said = command("encode", *words, "latents", "--convention", "diffusers")
    assert "scaled (diffusers)" in said
    with open_video(videos / "a.mp4") as reader:
        x = reader.read(range(9)).astype(np.float32).transpose(3, 0, 1, 2)[None] / 127.5 - 1
    _, mean, logvar = (item.asnumpy()[0] for item in tae.encode(ms.Tensor(x)))
    clip = read_latents(tmp_path / "latents/a.mp4.safetensors", "diffusers")
    assert (clip.scaling_factor, clip.shift_factor) == (1.5, 0.25)
    np.testing.assert_allclose(clip.mean, (mean - 0.25) * 1.5, atol=1e-3)
    np.testing.assert_allclose(clip.logvar, logvar + 2 * np.log(1.5), atol=1e-3)

    command("latent-stats", *words, "of_videos")
    shown = command("latent-stats", "--latent_folder", "latents", "--output_path", "of_latents")
    of_latents, of_videos = (
        json.loads((tmp_path / name / "latent_stats.json").read_text()) for name in ("of_latents", "of_videos")
    )
    assert of_latents["values_per_channel"] == of_videos["values_per_channel"] == (2 + 3) * 2 * 3
    assert of_latents["source"]["clips"] == of_videos["source"]["clips"] == 2
    for entry, other in zip(
        [of_latents["overall"], *of_latents["channels"]], [of_videos["overall"], *of_videos["channels"]], strict=True
    ):
        assert entry["mean"] == pytest.approx(other["mean"], abs=1e-5) and entry["std"] == pytest.approx(
            other["std"], abs=1e-5
        )
    rows = {line.split()[0]: line.split()[1:] for line in shown.splitlines() if line[:1].isalnum()}
    assert float(rows["all"][0]) == pytest.approx(of_latents["overall"]["mean"], abs=1e-4)
    assert float(rows["15"][1]) == pytest.approx(of_latents["channels"][15]["std"], abs=1e-4)
    assert "law of total variance" in shown
    assert "2 of the 2 latents are scaled, diffusers with 1.5 and 0.25" in shown


def test_latent_stats_gives_words_to_copy_and_says_that_the_factors_in_use_are_off(mixed, tmp_path, capsys):
    assert run(["latent-stats", "--latent_folder", str(mixed), "--output_path", str(tmp_path / "stats")]) == 0
    shown = capsys.readouterr().out
    for convention, scale in (
        ("mindone", lambda z, a, b: a * z + b),
        ("diffusers", lambda z, a, b: (z - b) * a),
    ):
        words = next(line for line in shown.splitlines() if f"--convention {convention}" in line).split()
        a, b = (float(word.partition("=")[2]) for word in words[-2:])
        assert [word.partition("=")[0] for word in words[-2:]] == ["model.scaling_factor", "model.shift_factor"]
        scaled_mean = scale(posterior().mean.astype(float), a, b)
        noise = a * np.exp(posterior().logvar.astype(float) / 2)  # its deviation
        assert scaled_mean.mean() == pytest.approx(0, abs=1e-3)
        assert np.sqrt(scaled_mean.var() + (noise**2).mean()) == pytest.approx(1, abs=1e-3)
    # 1.5 times a deviation of about 1
    told = [line for line in shown.splitlines() if "off by more than a tenth" in line]
    assert len(told) == 4 and all("factors 1.5 and 0.25" in line for line in told)


def test_factors_that_are_saved_with_weights_scale_what_is_encoded_by_them(tae, videos, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    architecture = {key: value for key, value in TINY.items() if not key.endswith("_factor")}
    save_weights(tae, "own.safetensors", {"model": {"name": "tae", **architecture}})
    words = ["--video_folder", str(videos), "--image_size", "16,24"]
    encode = ["encode", *words, "--convention", "diffusers", "--output_path"]
    assert run([*encode, "published", "--ckpt_path", "own.safetensors"]) == 0
    assert "published factors 1.5305 and 0.0609" in capsys.readouterr().err

    stats = ["latent-stats", *words, "--ckpt_path", "own.safetensors", "--output_path", "stats", "--save"]
    assert run([*stats, "fitted.safetensors"]) == 2
    assert "without --convention" in capsys.readouterr().err
    assert run([*stats, "fitted.safetensors", "--convention", "diffusers"]) == 0
    assert run([*encode, "fitted", "--ckpt_path", "fitted.safetensors"]) == 0
    assert "factors" not in capsys.readouterr().err
    clips = [read_latents(tmp_path / f"fitted/{name}.mp4.safetensors", "diffusers") for name in "ab"]
    mean, variance = (np.concatenate([part(clip).ravel() for clip in clips]) for part in (lambda c: c.mean, variances))
    assert mean.mean() == pytest.approx(0, abs=1e-3)
    assert np.sqrt(mean.var() + variance.mean()) == pytest.approx(1, abs=1e-3)


def test_saved_factors_used_by_the_other_convention_are_warned_of(tae, tmp_path, caplog):
    factors = {"scaling_factor": 0.5, "shift_factor": 1.0}
    noted = {"mean": 1.0, "std": 2.0, "clips": 3, "convention": "diffusers"}
    save_weights(tae, tmp_path / "tae.safetensors", {"model": {**TINY, **factors}, "latent_statistics": noted})
    section = {"name": "tae", "pretrained": str(tmp_path / "tae.safetensors"), **factors}
    warn_of_factors(section, "diffusers", factors)  # (1 - 1) * 0.5 = 0 and 2 * 0.5 = 1
    assert not caplog.records
    warn_of_factors(section, "mindone", factors)  # 0.5 * 1 + 1 = 1.5
    assert "gives mean 1.50 and deviation 1.00" in caplog.text and "are for diffusers" in caplog.text


def variances(clip):
    return np.exp(clip.logvar)


def test_latent_stats_of_differently_scaled_files_are_of_the_unscaled_latents(mixed, tmp_path, capsys):
    assert run(["latent-stats", "--latent_folder", str(mixed), "--output_path", str(tmp_path / "stats")]) == 0
    result = json.loads((tmp_path / "stats/latent_stats.json").read_text())
    clip = posterior()
    expected = np.sqrt(
        clip.mean.var(axis=(1, 2, 3), dtype=float) + np.exp(clip.logvar.astype(float)).mean(axis=(1, 2, 3))
    )
    assert result["latents_std"] == pytest.approx(expected.tolist(), rel=1e-5)
    assert result["overall"]["mean"] == pytest.approx(clip.mean.mean(dtype=float), abs=1e-6)


def test_latents_of_two_models_are_pointed_out(tmp_path, capsys):
    for number in range(2):
        write_latents(
            tmp_path / f"latents/{number}.safetensors",
            replace(posterior(number), model={"name": "tae", "pretrained": f"{number}.ckpt"}),
        )
    assert (
        run(["latent-stats", "--latent_folder", str(tmp_path / "latents"), "--output_path", str(tmp_path / "stats")])
        == 0
    )
    assert "the latents come from 2 models, which share no factors" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["decode", "--convention", "diffusers"], "its scaling convention is 'mindone', and 'diffusers' was asked for"),
        (["decode", "--convention", "none"], "its scaling convention is 'mindone', and 'none' was asked for"),
        (["decode", "--convention", "sd3"], "invalid choice: 'sd3'"),
        (["latent-stats", "--video_folder", "."], "give one of the two"),
    ],
)
def test_a_wrong_convention_is_status_2_and_one_line_and_nothing_is_written(tmp_path, capsys, words, message):
    write_latents(tmp_path / "latents/a.mp4.safetensors", scaled(posterior(), "mindone"))
    places = ["--latent_folder", str(tmp_path / "latents"), "--output_path", str(tmp_path / "out")]
    assert run([words[0], *places, *words[1:]]) == 2
    shown = capsys.readouterr()
    assert message in shown.err and len(shown.err.strip().splitlines()) == 1 and not (tmp_path / "out").exists()


def test_latent_stats_without_anything_to_measure_says_what_it_takes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["latent-stats"]) == 2
    assert "either --latent_folder or videos with a model" in capsys.readouterr().err


def test_latent_stats_of_files_needs_no_mindspore(mixed, tmp_path, without_mindspore):
    without_mindspore(["latent-stats", "--latent_folder", str(mixed), "--output_path", str(tmp_path / "stats")])
