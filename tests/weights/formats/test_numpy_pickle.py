"""Pickles of NumPy arrays, read without being run; NumPy's own pickler is the truth."""

import io
import pickle

import numpy as np
import pytest

from mindone_tae.weights.formats.numpy_pickle import open_numpy_pickle
from mindone_tae.zoo.errors import UserError

RNG = np.random.default_rng(0)
TREE = {
    "params": {
        "Conv_0": {"kernel": RNG.standard_normal((3, 2, 4)).astype(np.float32), "bias": RNG.standard_normal(4)},
        "Branch_0/Conv_1": {"kernel": np.asfortranarray(RNG.standard_normal((3, 5)).astype(np.float16))},
        "step": np.array(7),
    },
    "stats": {
        "count": np.arange(300, dtype=np.int64),
        "on": np.array([True, False]),
        "none": np.zeros((0, 3), np.float32),
    },
}
FLAT = {
    "params/Conv_0/kernel": TREE["params"]["Conv_0"]["kernel"],
    "params/Conv_0/bias": TREE["params"]["Conv_0"]["bias"],
    "params/Branch_0/Conv_1/kernel": TREE["params"]["Branch_0/Conv_1"]["kernel"],
    "params/step": TREE["params"]["step"],
    "stats/count": TREE["stats"]["count"],
    "stats/on": TREE["stats"]["on"],
    "stats/none": TREE["stats"]["none"],
}


def opened(content):
    return open_numpy_pickle(io.BytesIO(content), "weights.ckpt").tensors


@pytest.mark.parametrize("protocol", [3, 4])
@pytest.mark.parametrize("module", [b"numpy.core.multiarray", b"numpy._core.multiarray"], ids=["numpy 1", "numpy 2"])
def test_every_array_of_nested_dicts_is_read_as_numpy_wrote_it(protocol, module):
    content = pickle.dumps(TREE, protocol)
    if protocol == 3:  # the name is a line of text there; later it has its length before it
        content = content.replace(b"numpy.core.multiarray", module)
    tensors = opened(content)
    assert tensors.keys() == FLAT.keys()
    for name, array in FLAT.items():
        assert tensors[name].shape == array.shape
        read = tensors[name].read()
        assert read.dtype == array.dtype
        np.testing.assert_array_equal(read, array)


class Runs:
    """Pickled as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_call_is_refused_by_name_and_never_made(protocol, tmp_path):
    mark = tmp_path / "was_run"
    content = pickle.dumps({"a": Runs(open, str(mark), "w")}, protocol)
    with pytest.raises(UserError, match=r"weights.ckpt: it asks for (io|_io).open.*refused"):
        opened(content)
    assert not mark.exists()


def test_numpys_own_functions_are_refused_too():
    with pytest.raises(UserError, match="numpy.*fromfile.*refused"):
        opened(pickle.dumps({"a": Runs(np.fromfile, "/etc/hostname")}, 3))


def test_names_of_pytorchs_pickles_are_not_admitted():
    with pytest.raises(UserError, match="torch._utils._rebuild_tensor_v2.*refused"):
        opened(b"\x80\x03}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n)Rs.")


def loop():
    inner = {}
    inner["again"] = inner
    return inner


def doubled():
    tree = {"leaf": np.zeros(1)}
    for _ in range(60):  # 2**60 leaves in a thousand bytes
        tree = {"a": tree, "b": tree}
    return tree


@pytest.mark.parametrize(
    "content, message",
    [
        (pickle.dumps({"a": np.array([{}, 1], object)}, 3), "type O8, which is no number"),
        (pickle.dumps({"a": np.array(["x"])}, 3), "type U1, which is no number"),
        (pickle.dumps({"a": np.arange(3.0).astype(">f8")}, 3), "little-endian"),
        (pickle.dumps({"a": np.arange(3.0)}, 3)[:-30], "whole pickle"),
        (pickle.dumps({"a": np.arange(3.0)}, 3).replace(b"K\x03\x85", b"K\x09\x85"), r"shape \(9,\) with 24 bytes"),
        (pickle.dumps([np.arange(3.0)], 3), "a list, not a dict"),
        (pickle.dumps(loop(), 3), "two places"),
        (pickle.dumps(doubled(), 4), "two places"),
        (b"not a pickle", "whole pickle"),
        (b"", "whole pickle"),
    ],
    ids=["objects", "text", "big-endian", "cut", "shape", "list", "loop", "doubled", "other", "empty"],
)
def test_what_is_no_dict_of_plain_arrays_is_refused(content, message):
    with pytest.raises(UserError, match=message):
        opened(content)
