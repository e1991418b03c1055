"""The Fréchet distance of two sets of features, taken for normal distributions."""

import numpy as np
from scipy import linalg


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), of means m and covariances C (Dowson and Landau, 1982).

    Covariances are unbiased: divided by the number of clips less 1. The root's trace is taken without a root: with
    C1 = A'A and C2 = B'B, the eigenvalues of C1 C2 are the squared singular values of AB', so that the trace is the sum
    of these. That is as exact for the singular covariances of few clips, for which the root of a product loses half of
    the digits or turns complex.

    Args:
        first: (n, features), n of at least 2.
        second: (m, features), m of at least 2.

    Returns:
        0 for equal sets, more otherwise; NaN if a feature is not finite.
    """
    first, second = (np.asarray(features, np.float64) for features in (first, second))
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return float("nan")
    means = first.mean(axis=0) - second.mean(axis=0)
    a, b = _root(first), _root(second)
    trace = linalg.svdvals(a @ b.T).sum()
    return float(max(means @ means + np.square(a).sum() + np.square(b).sum() - 2 * trace, 0.0))


def _root(features):
    """A with A'A the covariance; no more rows than features."""
    centred = (features - features.mean(axis=0)) / np.sqrt(len(features) - 1)
    return linalg.qr(centred, mode="r")[0][: centred.shape[1]] if len(centred) > centred.shape[1] else centred
