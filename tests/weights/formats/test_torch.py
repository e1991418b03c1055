"""PyTorch's files of tensors are read without PyTorch: both layouts, every type, views of one storage."""

import collections
import importlib.util
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest
from torch_files import Storage, View, pickled, read, whole, write_legacy, write_zip


def tensors():
    rng = np.random.default_rng(0)
    return {
        "single": rng.standard_normal((2, 3, 4)).astype(np.float32),
        "half": rng.standard_normal((5,)).astype(np.float16),
        "brain": rng.standard_normal((3, 2)).astype(ml_dtypes.bfloat16),
        "whole": np.array(7, np.int64),
    }


KINDS = {"single": "Float", "half": "Half", "brain": "BFloat16", "whole": "Long"}


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("layout", ["zip", "legacy"])
def test_every_tensor_comes_back_with_its_shape_and_type(fake_torch, tmp_path, layout, protocol):
    state = collections.OrderedDict(
        (name, whole(array, str(i), KINDS[name])) for i, (name, array) in enumerate(tensors().items())
    )
    state._metadata = collections.OrderedDict({"": {"version": 1}})
    if layout == "zip":
        path = write_zip(tmp_path / "t.pth", *pickled(fake_torch, state, protocol=protocol))
    else:
        path = write_legacy(tmp_path / "t.pth", *pickled(fake_torch, state, (None,), protocol))
    found = read(path)
    assert found.keys() == tensors().keys()
    for name, array in tensors().items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_views_of_one_storage_are_cut_out_of_it(fake_torch, tmp_path):
    numbers = np.arange(12, dtype=np.float32)
    storage = Storage(numbers, "0")
    state = {
        "row": View(storage, 4, (4,), (1,)),
        "turned": View(storage, 0, (4, 3), (1, 4)),
        "empty": View(storage, 12, (0,), (1,)),
    }
    found = read(write_zip(tmp_path / "t.pth", *pickled(fake_torch, state)))
    np.testing.assert_array_equal(found["row"], [4, 5, 6, 7])
    np.testing.assert_array_equal(found["turned"], numbers.reshape(3, 4).T)
    assert found["empty"].shape == (0,)


@pytest.mark.parametrize("entry", ["state_dict", "model_state_dict", "model"])
def test_the_weights_of_a_trainers_checkpoint_are_taken_out_of_it(fake_torch, tmp_path, entry):
    state = {"epoch": 3, "optimizer": {"state": {}}, entry: {"x": whole(np.ones(2, np.float32), "0")}}
    assert read(write_zip(tmp_path / "t.pth", *pickled(fake_torch, state))).keys() == {"x"}


@pytest.mark.torch
@pytest.mark.skipif(
    importlib.util.find_spec("torch") is None,
    reason="torch not installed: pip install 'mindone-tae[torch]' to compare with torch.save",
)
def test_what_torch_saves_in_both_layouts_is_read(tmp_path):
    script = """
import sys, numpy as np, torch
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
state = net.state_dict()
state["turned"] = torch.arange(12.0).reshape(3, 4).T
state["parameter"] = torch.nn.Parameter(torch.ones(2).half())
for layout in (True, False):
    torch.save(state, f"{sys.argv[1]}/{layout}.pth", _use_new_zipfile_serialization=layout)
np.savez(f"{sys.argv[1]}/expected.npz", **{name: value.detach().numpy() for name, value in state.items()})
"""
    subprocess.run([sys.executable, "-c", script, tmp_path], check=True)
    expected = np.load(tmp_path / "expected.npz")
    for layout in ("True", "False"):
        found = read(tmp_path / f"{layout}.pth")
        assert set(found) == set(expected.files)
        for name in found:
            np.testing.assert_array_equal(found[name], expected[name])
