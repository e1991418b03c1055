"""LPIPS with its real weights, which are fetched and not carried: the test is skipped where they were not."""

from pathlib import Path

import numpy as np
import pytest
from known_pairs import BY_TORCH, known_pairs

import mindspore as ms

from mindone_tae.losses import LPIPS

WEIGHTS = Path(__file__).resolve().parents[2] / "models/lpips_vgg16.safetensors"
FETCH = "mindone-tae lpips-weights --output models/lpips_vgg16.safetensors, in the checkout's folder"


@pytest.mark.skipif(not WEIGHTS.is_file(), reason=FETCH)
def test_known_pairs_are_as_far_apart_as_the_lpips_package_says():
    net = LPIPS(str(WEIGHTS))
    found = {
        name: float(net(*(ms.Tensor(frame[None]) for frame in pair)).asnumpy()[0])
        for name, pair in known_pairs().items()
    }
    assert found == pytest.approx(BY_TORCH, abs=2e-6)
    assert np.ptp(list(found.values())) > 0.1
