"""I3D against the same network in NumPy, layer by layer; and what must hold of its table."""

import numpy as np
import pytest

import mindspore as ms

from mindone_tae.metrics.rfvd.i3d import I3D
from mindone_tae.metrics.rfvd.network import NETWORK, STAGES
from mindone_tae.metrics.rfvd.published import PUBLISHED

RNG = np.random.default_rng(1)


# Odd and even sides, so that the padding of every stride is once even and once longer behind.
@pytest.mark.parametrize("shape", [(9, 37, 50), (12, 32, 41)], ids=str)
def test_every_stage_equals_numpys(shape, narrow_weights, i3d_by_numpy):
    x = RNG.uniform(-1, 1, (3, *shape)).astype(np.float32)
    y, expected = ms.Tensor(x[None]), i3d_by_numpy(x)
    net = I3D(narrow_weights)
    assert [name for name, _ in STAGES] == list(expected)
    for (name, _), stage in zip(STAGES, net.stages):
        y = stage(y)
        assert expected[name].std() > 1e-3, name
        np.testing.assert_allclose(
            y.asnumpy()[0], expected[name], atol=2e-5 * np.abs(expected[name]).max(), err_msg=name
        )


def test_the_logits_of_whole_frames_equal_numpys(mode, narrow_weights, i3d_by_numpy, logits_by_numpy):
    frames = 17 if mode == 1 else 9
    x = RNG.uniform(-1, 1, (3, frames, 224, 224)).astype(np.float32)
    last = i3d_by_numpy(x)["Mixed_5c"]
    assert last.shape == (128, frames // 8 + 1, 7, 7)
    found = I3D(narrow_weights)(ms.Tensor(x[None])).asnumpy()
    assert found.shape == (1, 400)
    np.testing.assert_allclose(found[0], logits_by_numpy(last), atol=1e-4 * np.abs(found).max())


def test_no_weight_is_trained(narrow_weights):
    assert I3D(narrow_weights).trainable_params() == []


def test_its_tensors_are_those_of_the_published_network(narrow_weights):
    """The narrow network's, each of whose widths is an eighth; 12.7 million numbers with the classifier of 400."""
    assert NETWORK.shapes.keys() == narrow_weights.keys()
    for name, shape in NETWORK.shapes.items():
        narrow = narrow_weights[name].shape
        assert shape[2:] == narrow[2:]
        factors = [wide / thin for wide, thin in zip(shape[:2], narrow[:2])]
        assert all(factor == 8 or wide in (3, 400) for factor, wide in zip(factors, shape[:2])), name
    assert round(sum(np.prod(shape) for shape in NETWORK.shapes.values()) / 1e6, 1) == 12.7


def test_every_tensor_has_one_origin_in_flaxs_collections():
    (layout,) = PUBLISHED.layouts
    assert layout.keys() == NETWORK.shapes.keys()
    assert len({origin for origin, _ in layout.values()}) == len(layout)
    assert layout["Mixed_3b.Branch_1.Conv3d_0b_3x3.weight"] == (
        "params/Mixed_3b/Branch_1/Conv3d_0b_3x3/Conv_0/kernel",
        (4, 3, 0, 1, 2),
    )
    assert layout["Conv3d_1a_7x7.variance"] == ("batch_stats/Conv3d_1a_7x7/BatchNorm_0/var", (4,))
