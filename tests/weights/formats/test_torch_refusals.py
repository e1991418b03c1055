"""Nothing in a file that claims to be PyTorch's is ever run; damaged, truncated and oversized files are errors."""

import contextlib
import importlib
import os
import pickle
import signal
import tarfile
import zipfile

import numpy as np
import pytest
from torch_files import Storage, View, pickled, read, whole, write_legacy, write_zip

from mindone_tae.weights.formats.torch import open_torch
from mindone_tae.zoo.errors import UserError


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


@pytest.mark.parametrize(
    "function, name",
    [(eval, "builtins.eval"), (getattr, "builtins.getattr"), (importlib.import_module, "importlib.import_module")],
)
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


@pytest.mark.parametrize(
    "program",
    [
        b"",
        b"\x80\x02",
        b"\x80\x02R.",
        b"\x80\x02h\x05.",
        b"\x80\x02].",
        b"\x80\x02}q\x00(X\x01",
        b"\x80\x02}]a.",
        b"\x80\x02t.",
    ],
)
def test_a_damaged_pickle_is_told(tmp_path, program):
    with pytest.raises(UserError, match="bad.pth"):
        open_torch(write_zip(tmp_path / "bad.pth", program))


@pytest.mark.parametrize(
    "offset, shape, strides",
    [
        (0, (13,), (1,)),
        (5, (2, 4), (4, 1)),
        (0, (1000, 1000), (0, 0)),
        (-1, (2,), (1,)),
        (0, (2,), (-1,)),
        (0, (2, 2), (1,)),
    ],
)
def test_a_view_beyond_its_storage_is_refused(fake_torch, tmp_path, offset, shape, strides):
    view = View(Storage(np.zeros(12, np.float32), "0"), offset, shape, strides)
    with pytest.raises(UserError, match="w.*shape"):
        open_torch(write_zip(tmp_path / "t.pth", *pickled(fake_torch, {"w": view})))


@pytest.mark.parametrize("layout", ["zip", "legacy"])
def test_a_byte_changed_anywhere_ends_in_tensors_or_one_of_our_errors(fake_torch, tmp_path, layout):
    state = {
        "a": whole(np.arange(6, dtype=np.float32).reshape(2, 3), "0"),
        "b": whole(np.ones(2, np.float16), "1", "Half"),
    }
    program, storages = pickled(fake_torch, state, (None,) if layout == "legacy" else ())
    path, rng, refused = (
        (write_zip if layout == "zip" else write_legacy)(tmp_path / "t.pth", program, storages),
        np.random.default_rng(0),
        0,
    )
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
    path = write_zip(
        tmp_path / "t.pth", *pickled(fake_torch, {"w": whole(np.zeros(4, np.float32), "0")}), zipfile.ZIP_DEFLATED
    )
    with pytest.raises(UserError, match="compressed"):
        open_torch(path)


@pytest.mark.parametrize("layout", ["zip", "legacy"])
def test_a_file_cut_short_is_told(fake_torch, tmp_path, layout):
    program, storages = pickled(
        fake_torch, {"w": whole(np.zeros(400, np.float32), "0")}, (None,) if layout == "legacy" else ()
    )
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


# Replaces memo entry 0 by a pair of itself, 30 times: a tree of 2**30 leaves.
DOUBLED = b")q\x00" + b"h\x00h\x00\x86q\x00" * 30


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x02" + DOUBLED + b"}h\x00K\x01s.",  # as a key
        b"\x80\x02" + DOUBLED + b"ccollections\nOrderedDict\n]h\x00K\x01\x86a\x85R.",  # as a key of pairs
        b"\x80\x02" + DOUBLED + b"ctorch._utils\n_rebuild_tensor_v2\n(h\x00K\x00))tR.",  # as a storage
        b"\x80\x02" + DOUBLED + b"ctorch._utils\n_rebuild_tensor_v2\n(h\x00h\x00h\x00h\x00tR.",
        b"\x80\x02" + DOUBLED + b"(h\x00h\x00h\x00h\x00h\x00tQ.",  # as all parts of a reference
        b"\x80\x02" + DOUBLED + b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nh\x00h\x00h\x00tQ.",
        b"\x80\x04" + DOUBLED + b"h\x00h\x00\x93.",  # as a name
        b"\x80\x02" + DOUBLED + b"h\x00h\x00R.",  # called
        b"\x80\x02" + DOUBLED + b"ctorch\nFloatStorage\nh\x00R.",
        b"\x80\x02" + DOUBLED + b".",
        b"\x80\x02}X\x0a\x00\x00\x00state_dict" + DOUBLED + b"s.",
    ],
)
@pytest.mark.parametrize("layout", ["zip", "legacy"])
def test_what_a_pickle_shares_among_its_parts_is_never_walked(tmp_path, program, layout):
    path = (write_zip if layout == "zip" else write_legacy)(tmp_path / "bad.pth", program, {})
    with alarm(5), pytest.raises(UserError, match="bad.pth") as caught:
        open_torch(path)
    assert len(str(caught.value)) < 1000


def test_more_instructions_than_a_file_of_tensors_has_are_not_followed(tmp_path):
    pairs = b"]q\x00(" + b"K\x00K\x00\x86" * 1000 + b"e"  # and copied a thousand times
    program = b"\x80\x02" + pairs + b"ccollections\nOrderedDict\nq\x01" + b"h\x01h\x00\x85R" * 1001 + b"."
    with alarm(20), pytest.raises(UserError, match="more than 1000000 instructions"):
        open_torch(write_zip(tmp_path / "bad.pth", program))


def test_a_length_that_claims_the_memory_is_not_believed(tmp_path):
    with pytest.raises(UserError, match="bad.pth"):
        open_torch(write_zip(tmp_path / "bad.pth", b"\x80\x04\x8d" + (2**40).to_bytes(8, "little") + b"abc."))


def test_views_that_unfold_to_many_times_the_file_are_refused(fake_torch, tmp_path):
    storage = Storage(np.zeros(10_000, np.float32), "0")
    state = {str(number): View(storage, 0, (10_000,), (1,)) for number in range(100)}
    with pytest.raises(UserError, match="t.pth: its tensors unfold to 4000000 bytes"):
        open_torch(write_zip(tmp_path / "t.pth", *pickled(fake_torch, state)))


@contextlib.contextmanager
def alarm(seconds):
    """Ends the test by an error where the block takes longer."""

    def ring(*_):
        raise AssertionError(f"it took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
