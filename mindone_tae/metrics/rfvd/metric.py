"""Fréchet video distance of reconstructions from their videos."""

import numpy as np

import mindspore as ms

from mindone_tae.zoo.errors import UserError

from ..frame_pairs import check_pair
from .frechet import frechet_distance
from .i3d import I3D
from .network import CLASSES, NETWORK
from .resizing import resize_bilinear

_SIZE_PX = (224, 224)
# I3D halves time three times, and its last pooling takes two of the remaining steps.
_MIN_FRAMES = 9


class RFVD:
    """Fréchet video distance (Unterthiner et al., 2018) of a set of reconstructions from the set of their videos.

    Args:
        i3d_path: safetensors file of I3D's weights, as `mindone-tae rfvd-weights` writes it.

    Attributes:
        name: "rfvd".
        higher_is_better: False.
        protocol: what is computed, in a sentence.
        min_clips: a covariance needs two.

    Raises:
        UserError: if the file is not there (and how to get it), or holds anything else.
    """

    name = "rfvd"
    higher_is_better = False
    min_clips = 2
    protocol = (
        f"squared Frechet distance of I3D's {CLASSES} logits a clip (RGB, Kinetics-400, averaged over time), "
        f"reconstructions against their videos; all frames of a clip, each resized to {_SIZE_PX[0]}x{_SIZE_PX[1]} "
        "whatever its shape, bilinear between pixel centres, no antialiasing; pixels clipped to [-1, 1], no rounding "
        "to 8 bits; covariances unbiased (divided by clips - 1)"
    )

    def __init__(self, i3d_path: str | None = None):
        self._i3d = I3D(NETWORK.read(i3d_path, "the rfvd metric's i3d_path"))
        self._video, self._video_features = None, None

    def collect(self, recon: np.ndarray, x: np.ndarray) -> dict:
        """The features of one clip.

        Args:
            recon: reconstruction (3, t, h, w), float32 in [-1, 1]; t of at least 9.
            x: video, the same shape and range.

        Returns:
            dict of recon and x, lists of 400 features each, and shape, [t, h, w].

        Raises:
            UserError: if the shapes differ or are not (3, t, h, w), or there are too few frames.
        """
        recon, x = check_pair(recon, x)
        channels, frames = x.shape[:2]
        if channels != 3 or frames < _MIN_FRAMES:
            raise UserError(
                f"rfvd was given a clip of shape {x.shape}; it takes (3, t, h, w) with t of at least "
                f"{_MIN_FRAMES} frames: use longer clips, or take rfvd out of eval.metrics"
            )
        # A baseline is measured on the video that the model was just measured on.
        if self._video is None or not np.array_equal(self._video, x):
            self._video, self._video_features = x.copy(), self._features(x)
        return {"recon": self._features(recon), "x": self._video_features, "shape": list(x.shape[1:])}

    def finish(self, collected: list[dict]) -> float:
        """The distance.

        Args:
            collected: the result of `collect` for each clip; at least 2.

        Returns:
            0 where the features are equal, more otherwise; NaN if a pixel is.
        """
        recon, x = (np.array([clip[key] for clip in collected], np.float64) for key in ("recon", "x"))
        return frechet_distance(recon, x)

    def describe(self, collected: list[dict]) -> dict:
        """Facts of this set: clips, frames, sizes, features, and warnings where the figure should not be relied on."""
        frames = sorted({clip["shape"][0] for clip in collected})
        sizes = sorted({tuple(clip["shape"][1:]) for clip in collected})
        warnings = []
        if len(collected) <= CLASSES:
            warnings.append(
                f"{len(collected)} clips for {CLASSES} features: the covariances are not of full rank, and the figure "
                "depends on the number of clips; compare it only over the same clips (papers take 2048)"
            )
        if len(frames) > 1:
            warnings.append(
                f"clips of {len(frames)} lengths in one distribution: set one length for a figure that can be compared"
            )
        return {
            "clips": len(collected),
            "frames": frames,
            "sizes": [list(size) for size in sizes],
            "features": CLASSES,
            "warnings": warnings,
        }

    def _features(self, clip):
        """400 floats of (3, t, h, w)."""
        if np.isnan(clip).any():  # the network's ReLUs may make a NaN a 0
            return [float("nan")] * CLASSES
        pixels = resize_bilinear(np.clip(clip, -1, 1), _SIZE_PX)[None]
        return self._i3d(ms.Tensor(pixels)).asnumpy()[0].tolist()
