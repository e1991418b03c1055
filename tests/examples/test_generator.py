"""examples/generator: a package of somebody else's that the generic commands train, sample and decode."""

import importlib
import json
import re

import numpy as np
import pytest

import mindspore as ms
from mindspore import nn

from mindone_tae import zoo
from mindone_tae.data import open_video
from mindone_tae.data.latents.folder import find_latents
from mindone_tae.zoo import UserError

pytestmark = pytest.mark.apart

TOY = ["model.latent_size=[2, 2, 2]", "model.width=16", "model.depth=1", "train.steps=6", "train.log_every=1"]


def test_it_goes_from_sample_clips_to_videos_of_its_own(examples, install, tmp_path):
    install(examples / "generator")
    main = importlib.import_module("run").main
    try:
        assert main(["--output_path", str(tmp_path), "--clips", "3", "--image_size", "16", "--count", "2", *TOY]) == 0
    finally:
        ms.set_context(mode=ms.PYNATIVE_MODE)

    # A new model's velocity is 0, the true one noise minus latent, of mean square 1 plus that of the scaled latents.
    latents, _ = find_latents(tmp_path / "latents")
    scaled = [(latent.read().mean - 0.0609) * 1.5305 for latent in latents]
    losses = [json.loads(line)["loss"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert len(latents) == 3 and len(losses) == 6
    assert losses[0] == pytest.approx(1 + np.mean(np.square(scaled)), rel=0.1)
    assert losses[-1] < losses[0]

    samples = np.load(tmp_path / "samples" / "sample.npy")
    assert samples.shape == (2, 16, 2, 2, 2) and np.abs(samples[0] - samples[1]).max() > 0.1
    for number in range(2):
        with open_video(tmp_path / "videos" / f"sample_{number}.mp4") as reader:
            assert (len(reader), reader.size, reader.fps) == (16, (16, 16), 16)


def test_sampling_arrives_at_the_data_where_the_velocity_is_exact(examples, install):
    install(examples / "generator")
    z = np.random.default_rng(1).standard_normal((1, 16, 2, 2, 2), dtype=np.float32)

    class Exact(nn.Cell):
        """Of a data set of the one latent z: at time t, x is (1 - t) z + t noise."""

        def construct(self, x, time):
            return (x - ms.Tensor(z)) / time.reshape(-1, 1, 1, 1, 1)

    model = zoo.build("models", {"name": "latent_flow", "latent_size": [2, 2, 2], "width": 16})
    model.network = Exact()
    sample = model.sample(3, 5, np.random.default_rng(0))
    np.testing.assert_allclose(sample, np.repeat(z, 3, axis=0), atol=1e-5)


def test_a_latent_of_another_shape_and_an_unknown_keyword_are_told(examples, install):
    install(examples / "generator")
    with pytest.raises(UserError, match="widht.*width"):
        zoo.build("models", {"name": "latent_flow", "latent_size": [2, 2, 2], "widht": 16})
    model = zoo.build("models", {"name": "latent_flow", "latent_size": [2, 2, 2], "width": 16})
    with pytest.raises(ValueError, match="set it to theirs"):
        model.training_inputs((np.zeros((1, 16, 1, 2, 2), np.float32),), np.random.default_rng(0))


def test_the_thirty_lines_of_the_readme_are_a_component(examples, install, tmp_path):
    blocks = re.findall(
        r"^`(\S+)`:\n\n```\w+\n(.*?)```", (examples / "generator" / "README.md").read_text(), re.M | re.S
    )
    assert [name for name, _ in blocks] == ["setup.cfg", "pyproject.toml", "my_losses.py"]
    assert sum(text.count("\n") for _, text in blocks) <= 30
    for name, text in blocks:
        (tmp_path / name).write_text(text)
    install(tmp_path)
    recon, x = np.random.default_rng(0).uniform(-1, 1, (2, 1, 3, 2, 4, 4)).astype(np.float32)
    loss = zoo.build("losses", {"name": "charbonnier", "eps": 0.1})
    expected = np.sqrt((recon - x) ** 2 + 0.01).mean()
    assert float(loss((ms.Tensor(recon),), ms.Tensor(x))) == pytest.approx(expected, rel=1e-5)
