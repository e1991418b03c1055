"""Statistics of latents, and the factors computed from them."""

import tracemalloc

import numpy as np
import pytest

from mindone_tae.models.latent.scaling import (
    CONVENTIONS,
    fitting_factors,
    scale_latents,
    scale_posterior,
    unscale_posterior,
)
from mindone_tae.models.latent.statistics import LatentStatistics


def clips(seed=0, offset=0.0):
    """Posteriors of several lengths and sizes, channels of different mean and spread."""
    rng = np.random.default_rng(seed)
    for shape in ((1, 4, 4), (5, 2, 3), (2, 8, 8), (7, 1, 1)):
        mean = rng.standard_normal((3, *shape)) * np.array([0.5, 2, 1]).reshape(3, 1, 1, 1) + np.array(
            [-1, 0, 3]
        ).reshape(3, 1, 1, 1)
        yield (mean + offset).astype(np.float32), rng.uniform(-6, 0, (3, *shape)).astype(np.float32)


def measured(posteriors):
    statistics = LatentStatistics()
    for mean, logvar in posteriors:
        statistics.add(mean, logvar)
    return statistics.summary()


def pooled(posteriors):
    """(zc, n) of all means and all variances, float64."""
    return [
        np.concatenate([array.reshape(3, -1).astype(np.float64) for array in arrays], axis=1)
        for arrays in zip(*posteriors)
    ]


def test_one_clip_at_a_time_gives_what_all_together_do():
    summary = measured(clips())
    means, logvars = pooled(clips())
    assert summary["values_per_channel"] == means.shape[1]
    for channel, mean, logvar in zip(summary["channels"], means, logvars):
        assert channel["mean"] == pytest.approx(mean.mean(), rel=1e-12)
        assert channel["std_of_means"] == pytest.approx(mean.std(), rel=1e-12)
        assert channel["std"] == pytest.approx(np.sqrt(mean.var() + np.exp(logvar).mean()), rel=1e-12)
    assert summary["overall"]["mean"] == pytest.approx(means.mean(), rel=1e-12)
    assert summary["overall"]["std_of_means"] == pytest.approx(means.std(), rel=1e-12)
    assert summary["overall"]["std"] == pytest.approx(np.sqrt(means.var() + np.exp(logvars).mean()), rel=1e-12)
    assert summary["latents_mean"] == pytest.approx(means.mean(axis=1)) and len(summary["latents_std"]) == 3


def test_the_std_is_that_of_samples_of_the_posterior():
    rng = np.random.default_rng(5)
    means, logvars = pooled(clips())
    samples = means[:, None] + np.exp(logvars / 2)[:, None] * rng.standard_normal((3, 4000, means.shape[1]))
    summary = measured(clips())
    assert [channel["std"] for channel in summary["channels"]] == pytest.approx(
        samples.std(axis=(1, 2)).tolist(), rel=0.01
    )
    assert summary["overall"]["std"] == pytest.approx(samples.std(), rel=0.01)


def test_a_mean_far_from_0_costs_no_precision():
    """float32 carries 4096 + x to about 2e-4; a sum of squares in one pass would lose the spread to it."""
    near, far = measured(clips()), measured(clips(offset=4096))
    assert far["overall"]["std"] == pytest.approx(near["overall"]["std"], rel=1e-4)
    expected = pooled(clips(offset=4096))[0].std(axis=1)
    assert [channel["std_of_means"] for channel in far["channels"]] == pytest.approx(expected.tolist(), rel=1e-9)


def test_chunks_and_batches_of_a_clip_count_as_the_clip_does():
    whole = measured(clips())
    chunked = LatentStatistics()
    for mean, logvar in clips():
        for start in range(0, mean.shape[1], 2):
            chunked.add(mean[None, :, start : start + 2], logvar[None, :, start : start + 2])
    assert chunked.summary()["latents_std"] == pytest.approx(whole["latents_std"], rel=1e-12)
    batch = LatentStatistics()
    mean, logvar = next(clips())
    batch.add(np.stack([mean, mean + 1]), np.stack([logvar, logvar]))
    assert batch.summary()["latents_mean"] == pytest.approx(
        (mean.astype(np.float64).mean(axis=(1, 2, 3)) + 0.5).tolist()
    )


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_the_factors_bring_latents_to_mean_0_and_std_1(convention):
    z = np.random.default_rng(1).standard_normal(10000) * 0.6 - 0.2
    scaled = scale_latents(z, convention, *fitting_factors(z.mean(), z.std(), convention))
    assert (scaled.mean(), scaled.std()) == pytest.approx((0, 1), abs=1e-12)
    found = measured(clips())["overall"]
    factors = found[convention]
    assert scale_latents(found["mean"], convention, **factors) == pytest.approx(0, abs=1e-12)
    assert factors["scaling_factor"] * found["std"] == pytest.approx(1)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_scaled_posterior_is_that_of_scaled_samples_and_comes_back(convention):
    mean, logvar = np.float64(0.7), np.float64(-1.0)
    z = mean + np.exp(logvar / 2) * np.random.default_rng(2).standard_normal(200_000)
    scaled_mean, scaled_logvar = scale_posterior(mean, logvar, convention, 1.5305, 0.0609)
    scaled = scale_latents(z, convention, 1.5305, 0.0609)
    assert (scaled_mean, np.exp(scaled_logvar)) == pytest.approx((scaled.mean(), scaled.var()), rel=0.01)
    assert unscale_posterior(scaled_mean, scaled_logvar, convention, 1.5305, 0.0609) == pytest.approx((mean, logvar))


def test_a_channel_that_does_not_vary_has_no_factors_and_spoils_no_other():
    mean, logvar = next(clips())
    mean[1], logvar[1] = 2.0, -np.inf
    channels = measured([(mean, logvar)])["channels"]
    assert (
        channels[1]["std"] == 0 and channels[1]["diffusers"] is None and channels[0]["diffusers"]["scaling_factor"] > 0
    )


def test_memory_does_not_grow_with_the_number_of_clips():
    mean, logvar = np.zeros((2, 3, 8, 32, 32), np.float32)
    statistics = LatentStatistics()
    statistics.add(mean, logvar)
    tracemalloc.start()
    for number in range(50):
        statistics.add(mean, logvar)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 50_000 and peak < 8 * mean.nbytes


def test_values_that_are_no_numbers_other_channels_and_nothing_at_all_are_told():
    statistics = LatentStatistics()
    with pytest.raises(ValueError, match="no latent to make statistics of"):
        statistics.summary()
    mean, logvar = next(clips())
    statistics.add(mean, logvar)
    with pytest.raises(ValueError, match="b.safetensors has 2 channels and those before it have 3"):
        statistics.add(mean[:2], logvar[:2], "b.safetensors")
    mean[0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="c.safetensors holds values that are not finite"):
        statistics.add(mean, logvar, "c.safetensors")
    assert statistics.count == 16
    with pytest.raises(ValueError, match="latents that do not vary cannot be scaled"):
        fitting_factors(0.0, 0.0, "mindone")
