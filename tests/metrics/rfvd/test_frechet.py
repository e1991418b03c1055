"""The Fréchet distance against closed forms and scipy's matrix square root."""

import numpy as np
import pytest
from scipy import linalg

from mindone_tae.metrics.rfvd.frechet import frechet_distance

RNG = np.random.default_rng(0)


def by_square_root(first, second):
    """The formula as it stands, with numpy.cov (divided by n - 1) and scipy.linalg.sqrtm of the symmetric product."""
    c1, c2 = (np.cov(features, rowvar=False) for features in (first, second))
    root = linalg.sqrtm(c1).real
    middle = linalg.sqrtm(root @ c2 @ root).real
    means = first.mean(axis=0) - second.mean(axis=0)
    return means @ means + np.trace(c1 + c2 - 2 * middle)


@pytest.mark.parametrize("first, second", [(200, 200), (300, 90)])
def test_equals_the_formula_with_scipys_root_where_that_is_stable(first, second):
    mixing = RNG.standard_normal((12, 12))
    a = RNG.standard_normal((first, 12)) @ mixing
    b = RNG.standard_normal((second, 12)) @ RNG.standard_normal((12, 12)) + RNG.standard_normal(12)
    assert frechet_distance(a, b) == pytest.approx(by_square_root(a, b), rel=1e-9)


def test_of_one_feature_it_is_the_closed_form():
    a, b = RNG.normal(1, 2, (40, 1)), RNG.normal(3, 5, (50, 1))
    expected = (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-12)


def test_of_independent_features_it_is_the_sum_of_theirs():
    signs = linalg.hadamard(8)[:, 1:4].astype(float)  # columns without correlation, variance 8 / 7
    a, b = signs * [1, 2, 3], signs * [2, 2, 7] + [0, 1, 0]
    assert frechet_distance(a, b) == pytest.approx(8 / 7 * (1 + 0 + 16) + 1, rel=1e-12)


@pytest.mark.parametrize("clips", [2, 5, 60])
def test_few_clips_of_many_features_give_the_limit_of_the_formula(clips):
    """The square root of a product of singular covariances is inexact; expected by eigenvalues of a small matrix."""
    a, b = RNG.standard_normal((clips, 100)) * 3, RNG.standard_normal((clips, 100)) + 0.5
    ca, cb = ((f - f.mean(axis=0)) / np.sqrt(clips - 1) for f in (a, b))
    values = np.linalg.eigvalsh(ca @ cb.T @ cb @ ca.T)  # those of C1 C2 that are not 0, plus rounding
    expected = (
        ((a.mean(0) - b.mean(0)) ** 2).sum() + (ca**2).sum() + (cb**2).sum() - 2 * np.sqrt(np.maximum(values, 0)).sum()
    )
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)


def test_equal_sets_are_at_distance_zero_and_it_is_symmetric():
    a, b = RNG.standard_normal((2, 7, 400)) * 20
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-8 * (a**2).sum())
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)
    assert frechet_distance(a, a + 3) == pytest.approx(9 * 400, rel=1e-9)


def test_a_feature_that_is_no_number_gives_nan():
    a = RNG.standard_normal((4, 3))
    b = a.copy()
    b[0, 0] = np.nan
    assert np.isnan(frechet_distance(a, b)) and np.isnan(frechet_distance(b, a))
