"""Verifies latents of a cache by encoding their videos again and comparing."""

import numpy as np

from mindone_tae.zoo import UserError

from .encoding import Counted

# The largest difference that another order of summation can cause, where the numbers are about 1.
_ALLOWED, _ALLOWED_HALF = 1e-3, 3e-2


def verify(encoder, cache, wanted, count, seed, console):
    """Encodes some clips of a cache again and prints the largest difference.

    Args:
        encoder: a ClipEncoder.
        cache: LatentFiles or LatentShards.
        wanted: the Wanted of all clips to choose from.
        count: how many; all where there are fewer.
        seed: chooses them.
        console: to print on.

    Raises:
        UserError: one differs by more than rounding, or cannot be read.
    """
    from mindone_tae.data import UnreadableVideo
    from mindone_tae.zoo.progress import Progress

    from .streams import batched

    there = [entry for entry in wanted if entry.name in cache.latents]
    if not there:
        raise UserError(
            "--verify finds no latent of these clips; there must be one to compare with: look at the reasons above"
        )
    chosen = np.random.default_rng(seed).permutation(len(there))[:count]
    dtype = encoder.shared["model"]["settings"].get("dtype", "float32")
    allowed = _ALLOWED if dtype in ("float32", "fp32") else _ALLOWED_HALF
    found = []
    with Progress("verify", len(chosen), "clips") as progress:
        for entry in (there[place] for place in sorted(chosen)):
            try:
                (again,) = encoder.encode([entry], Counted(batched([entry.clip])))
                found.append((difference(cache.latents[entry.name].read(), again), entry.name))
            except UnreadableVideo as error:
                raise UserError(
                    f"--verify cannot read a video that was encoded: {error}: bring it back, or delete its latent"
                ) from error
            progress.advance({"largest difference": f"{max(found)[0]:.2g}"})
    largest, name = max(found)
    console.print(f"verified {len(found)} clips: largest difference {largest:.3g} ({name}), allowed {allowed:g}")
    wrong = [name for size, name in found if not size <= allowed]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise UserError(
            f"{len(wrong)} of {len(found)} latents are not what this model gives for their videos: "
            f"{', '.join(wrong[:3])}{more}; the largest difference is {largest:.3g} and {allowed:g} is allowed: "
            "delete them, or the whole cache, and encode again"
        )


def difference(held, again):
    """Largest difference of two LatentClips' arrays, over their largest number if above 1; inf for other shapes."""
    largest = 0.0
    for kind, array in again.arrays.items():
        other = held.arrays.get(kind)
        if other is None or other.shape != array.shape or not np.isfinite(other).all():
            return np.inf
        largest = max(largest, float(np.abs(array - other).max()) / max(1.0, float(np.abs(array).max())))
    return largest
