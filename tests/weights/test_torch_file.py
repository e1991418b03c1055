"""PyTorch's files of tensors: read without PyTorch, and nothing in them is ever run."""

import collections
import importlib.util
import io
import os
import pickle
import subprocess
import sys
import tarfile
import types
import zipfile

import ml_dtypes
import numpy as np
import pytest

from mindone_tae.weights.torch_file import open_torch
from mindone_tae.zoo.errors import UserError

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
SYSTEM = {"protocol_version": VERSION, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}


class Storage:
    def __init__(self, array, key, kind="Float"):
        self.array, self.key, self.kind = array, key, kind


class View:
    """Pickled as torch pickles a tensor."""

    def __init__(self, storage, offset, shape, strides):
        self.parts = (storage, offset, shape, strides, False, collections.OrderedDict())

    def __reduce__(self):
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.parts


def whole(array, key, kind="Float"):
    strides = tuple(step // array.itemsize for step in array.strides)
    return View(Storage(array, key, kind), 0, array.shape, strides)


@pytest.fixture
def fake_torch(monkeypatch):
    """Modules with the names that torch's pickles mention, for Python's own pickler to refer to."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for kind in ("Float", "Half", "BFloat16", "Long"):
        name = f"{kind}Storage"
        setattr(torch, name, type(name, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2():
        raise AssertionError("called")

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    torch._utils = utils
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
    return torch


def pickled(torch, value, tail=(), protocol=2):
    """The pickle of a value, and its storages in order of appearance."""
    storages = {}

    class Pickler(pickle.Pickler):
        def persistent_id(self, item):
            if not isinstance(item, Storage):
                return None
            storages[item.key] = item.array
            return ("storage", getattr(torch, f"{item.kind}Storage"), item.key, "cpu", item.array.size, *tail)

    buffer = io.BytesIO()
    Pickler(buffer, protocol).dump(value)
    return buffer.getvalue(), storages


def write_zip(path, program, storages=(), compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", program)
        archive.writestr("archive/byteorder", "little")
        for key, array in dict(storages).items():
            archive.writestr(f"archive/data/{key}", array.tobytes())
        archive.writestr("archive/version", "3\n")
    return path


def write_legacy(path, program, storages):
    with open(path, "wb") as file:
        for value in (MAGIC, VERSION, SYSTEM):
            pickle.dump(value, file, 2)
        file.write(program)
        pickle.dump(list(storages), file, 2)
        for array in storages.values():
            file.write(array.size.to_bytes(8, "little") + array.tobytes())
    return path


def read(path):
    return {name: tensor.read() for name, tensor in open_torch(path).tensors.items()}


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
    state = collections.OrderedDict((name, whole(array, str(i), KINDS[name])) for i, (name, array) in enumerate(tensors().items()))
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
    state = {"row": View(storage, 4, (4,), (1,)), "turned": View(storage, 0, (4, 3), (1, 4)), "empty": View(storage, 12, (0,), (1,))}
    found = read(write_zip(tmp_path / "t.pth", *pickled(fake_torch, state)))
    np.testing.assert_array_equal(found["row"], [4, 5, 6, 7])
    np.testing.assert_array_equal(found["turned"], numbers.reshape(3, 4).T)
    assert found["empty"].shape == (0,)


class Runs:
    """A pickle that runs a command where it is opened."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("layout", ["zip", "legacy"])
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_that_runs_code_is_refused_by_name_and_not_run(fake_torch, tmp_path, layout, protocol):
    mark = tmp_path / "was_run"
    state = {"weight": whole(np.zeros(3, np.float32), "0"), "more": Runs(os.system, f"touch {mark}")}
    program, storages = pickled(fake_torch, state, (None,) if layout == "legacy" else (), protocol)
    path = (write_zip if layout == "zip" else write_legacy)(tmp_path / "bad.pth", program, storages)
    with pytest.raises(UserError, match=r"bad.pth: it asks for posix.system,.*refused"):
        open_torch(path)
    assert not mark.exists()
    pickle.loads(pickle.dumps(state["more"]))  # what opening it the usual way does
    assert mark.exists()


@pytest.mark.parametrize("function, name", [(eval, "builtins.eval"), (getattr, "builtins.getattr"), (importlib.import_module, "importlib.import_module")])
def test_a_pickle_before_the_magic_number_is_not_run_either(tmp_path, function, name):
    path = tmp_path / "bad.pth"
    path.write_bytes(pickle.dumps(Runs(function, "1"), 4))
    with pytest.raises(UserError, match=f"{name}.*refused"):
        open_torch(path)


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x02cbuiltins\neval\n.",  # names it and does not call it
        b"\x80\x02(X\x01\x00\x00\x001ibuiltins\neval\n.",  # the instruction INST
        b"\x80\x02X\x01\x00\x00\x001Q.",  # a reference that is no storage
        b"\x80\x02\x82\x01.",  # a name from the registry of extensions
        b"\x80\x02ctorch\nFloatStorage\n)\x81.",  # an object made by NEWOBJ
        b"\x80\x02ctorch\nFloatStorage\n)R.",  # a storage's type called
    ],
)
def test_every_other_way_to_reach_code_is_refused(tmp_path, program):
    with pytest.raises(UserError, match="bad.pth"):
        open_torch(write_zip(tmp_path / "bad.pth", program))


@pytest.mark.parametrize("program", [b"", b"\x80\x02", b"\x80\x02R.", b"\x80\x02h\x05.", b"\x80\x02].", b"\x80\x02}q\x00(X\x01", b"\x80\x02}]a.", b"\x80\x02t."])
def test_a_damaged_pickle_is_told(tmp_path, program):
    with pytest.raises(UserError, match="bad.pth"):
        open_torch(write_zip(tmp_path / "bad.pth", program))


@pytest.mark.parametrize("offset, shape, strides", [(0, (13,), (1,)), (5, (2, 4), (4, 1)), (0, (1000, 1000), (0, 0)), (-1, (2,), (1,)), (0, (2,), (-1,)), (0, (2, 2), (1,))])
def test_a_view_beyond_its_storage_is_refused(fake_torch, tmp_path, offset, shape, strides):
    view = View(Storage(np.zeros(12, np.float32), "0"), offset, shape, strides)
    with pytest.raises(UserError, match="w.*shape"):
        open_torch(write_zip(tmp_path / "t.pth", *pickled(fake_torch, {"w": view})))


@pytest.mark.parametrize("layout", ["zip", "legacy"])
def test_a_byte_changed_anywhere_ends_in_tensors_or_one_of_our_errors(fake_torch, tmp_path, layout):
    state = {"a": whole(np.arange(6, dtype=np.float32).reshape(2, 3), "0"), "b": whole(np.ones(2, np.float16), "1", "Half")}
    program, storages = pickled(fake_torch, state, (None,) if layout == "legacy" else ())
    path, rng, refused = (write_zip if layout == "zip" else write_legacy)(tmp_path / "t.pth", program, storages), np.random.default_rng(0), 0
    content = path.read_bytes()
    for _ in range(400):
        changed = bytearray(content)
        changed[rng.integers(len(content))] = rng.integers(256)
        path.write_bytes(changed)
        try:
            read(path)
        except UserError:
            refused += 1
    assert 100 < refused < 400


def test_a_compressed_member_is_refused(fake_torch, tmp_path):
    path = write_zip(tmp_path / "t.pth", *pickled(fake_torch, {"w": whole(np.zeros(4, np.float32), "0")}), zipfile.ZIP_DEFLATED)
    with pytest.raises(UserError, match="compressed"):
        open_torch(path)


@pytest.mark.parametrize("layout", ["zip", "legacy"])
def test_a_file_cut_short_is_told(fake_torch, tmp_path, layout):
    program, storages = pickled(fake_torch, {"w": whole(np.zeros(400, np.float32), "0")}, (None,) if layout == "legacy" else ())
    path = (write_zip if layout == "zip" else write_legacy)(tmp_path / "t.pth", program, storages)
    path.write_bytes(path.read_bytes()[:-600])
    with pytest.raises(UserError, match="t.pth.*download or copy it again"):
        read(path)


def test_a_storage_of_another_size_than_its_tensor_needs_is_told(fake_torch, tmp_path):
    program, _ = pickled(fake_torch, {"w": whole(np.zeros(4, np.float32), "0")})
    with pytest.raises(UserError, match="16 bytes and the file has 12"):
        read(write_zip(tmp_path / "t.pth", program, {"0": np.zeros(3, np.float32)}))


def test_the_oldest_layout_is_refused_with_its_reason(tmp_path):
    with tarfile.open(tmp_path / "old.pth", "w") as archive:
        archive.addfile(tarfile.TarInfo("storages"))
    with pytest.raises(UserError, match="tar archive.*not read.*torch.save"):
        open_torch(tmp_path / "old.pth")


def test_other_files_are_told_from_torchs(tmp_path):
    (tmp_path / "noise.pth").write_bytes(bytes(range(256)))
    for name in ("noise.pth", "nowhere.pth"):
        with pytest.raises(UserError, match=name):
            open_torch(tmp_path / name)
    with pytest.raises(UserError, match="holds a list.*state_dict"):
        open_torch(write_zip(tmp_path / "list.pth", pickle.dumps([1], 2)))


@pytest.mark.torch
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch not installed: pip install 'mindone-tae[torch]' to compare with torch.save")
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
