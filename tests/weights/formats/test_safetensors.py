"""The safetensors format, against the library and against damage."""

import json
import struct

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mindone_tae.weights import read_metadata, read_weights, save_weights
from mindone_tae.zoo.errors import UserError

ARRAYS = {
    "a.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
    "b.bias": np.array([1.5, -2.0], np.float16),
    "c.weight": np.array(3.25),
    "d.bias": np.zeros((0, 4), np.float32),
}


def write_raw(path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)


def test_what_the_library_wrote_is_read(tmp_path):
    save_file(ARRAYS, tmp_path / "a.safetensors", metadata={"format": "np"})
    assert_same(read_weights(tmp_path / "a.safetensors"), ARRAYS)
    assert read_metadata(tmp_path / "a.safetensors") == {"format": "np"}


def test_the_library_reads_what_is_written(tmp_path):
    save_weights(ARRAYS, tmp_path / "a.safetensors", {"step": 3})
    assert_same(load_file(tmp_path / "a.safetensors"), ARRAYS)


def test_bfloat16_is_read_bit_by_bit(tmp_path):
    # 0x3FC0 is 1.5, 0xC000 is -2, 0x0001 the smallest subnormal
    entry = {"x": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]}}
    path = write_raw(tmp_path / "a.safetensors", entry, bytes.fromhex("c03f00c00100"))
    found = read_weights(path)["x"]
    assert found.dtype == ml_dtypes.bfloat16
    assert found.astype(np.float64).tolist() == [1.5, -2.0, 2.0**-133]


def test_bfloat16_is_written_bit_by_bit(tmp_path):
    save_weights({"x": np.array([1.5, -2.0], np.float32)}, tmp_path / "a.safetensors", dtype="bfloat16")
    raw = (tmp_path / "a.safetensors").read_bytes()
    assert raw.endswith(bytes.fromhex("c03f00c0")) and b'"BF16"' in raw


def test_numbers_lie_aligned_whatever_the_types(tmp_path):
    arrays = {"a": np.zeros(3, np.float16), "b": np.zeros(2, np.float64), "c": np.zeros(1, np.float32)}
    save_weights(arrays, tmp_path / "a.safetensors")
    raw = (tmp_path / "a.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    for name, entry in json.loads(raw[8 : 8 + length]).items():
        assert (8 + length + entry["data_offsets"][0]) % arrays[name].itemsize == 0


X = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("header", "data", "complaint"),
    [
        ({"x": X}, bytes(7), "x ends at byte .* and the file at byte"),
        ({"x": {**X, "data_offsets": [8, 16]}}, bytes(8), "x ends at byte"),
        ({"x": {**X, "shape": [10**9] * 3, "data_offsets": [0, 4 * 10**27]}}, bytes(8), "x ends at byte"),
        ({"x": {**X, "shape": [3]}}, bytes(8), ""),
        ({"x": {**X, "shape": [-1, -2]}}, bytes(8), "-1"),
        ({"x": {**X, "shape": ["2"]}}, bytes(8), ""),
        ({"x": {**X, "shape": 2}}, bytes(8), ""),
        ({"x": {**X, "data_offsets": [8, 0]}}, bytes(8), ""),
        ({"x": {**X, "data_offsets": [-8, 0]}}, bytes(8), "-8"),
        ({"x": {"dtype": "F32"}}, bytes(8), "missing field"),
        ({"x": 3}, bytes(8), ""),
        ({"x": {**X, "dtype": "F33"}}, bytes(8), "F33"),
        ({"x": X, "y": X}, bytes(8), "invalid offset"),  # one over the other
        ({"x": X, "y": {**X, "data_offsets": [16, 24]}}, bytes(24), "invalid offset"),  # a hole between
        ({"x": X}, bytes(12), "not fully covered"),
        (
            b'{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},'
            b'"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
            bytes(8),
            "x twice",
        ),
        (
            b'{"__metadata__":{"a":"1","a":"2"},"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
            bytes(8),
            "a twice",
        ),
        ({"x": X, "__metadata__": [1]}, bytes(8), "expected a map"),
        ({"x": ["F32", [2], [0, 8]]}, bytes(8), "describes x in a form"),
        ({"x": {**X, "dtype": {"F32": None}}}, bytes(8), "describes x in a form"),
        (b"[1, 2]", b"", "not JSON|invalid JSON"),
        (b'{"x": ', b"", "invalid JSON"),
        (b"\xff\xfe", b"", ""),
        (b"[" * 100_000, b"", ""),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path, header, data, complaint):
    path = write_raw(tmp_path / "broken.safetensors", header, data)
    with pytest.raises(UserError, match=rf"broken\.safetensors: not a whole \.safetensors file: .*{complaint}"):
        read_weights(path)


@pytest.mark.parametrize("keep", [0, 5, 8, 40])
def test_a_file_cut_in_its_header_is_named(tmp_path, keep):
    path = write_raw(tmp_path / "cut.safetensors", {"x": X}, bytes(8))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(
        UserError, match=r"cut\.safetensors: not a whole \.safetensors file: (it has|its header claims)"
    ):
        read_weights(path)


def test_a_type_that_numpy_has_not_spoils_only_its_own_tensor(tmp_path):
    from mindone_tae.weights.reading import open_weights

    entries = {"x": X, "y": {"dtype": "F4", "shape": [4], "data_offsets": [8, 10]}}
    tensors = open_weights(write_raw(tmp_path / "a.safetensors", entries, bytes(10))).tensors
    assert tensors["x"].read().tolist() == [0, 0]
    with pytest.raises(UserError, match="y is of type F4"):
        tensors["y"].read()


@pytest.mark.parametrize("length", [640, 896, 1152, 1408])  # begin with the bytes of a pickle: 80 02, 80 03, ...
def test_a_header_of_a_length_that_looks_like_a_pickle_is_read(tmp_path, length):
    text = json.dumps({"x": X}).encode()
    path = write_raw(tmp_path / "a.safetensors", text + b" " * (length - len(text)), bytes(8))
    assert read_weights(path)["x"].tolist() == [0, 0]


def test_more_axes_than_an_array_can_have_are_refused_by_name(tmp_path):
    entry = {"x": {"dtype": "F32", "shape": [1] * 33, "data_offsets": [0, 4]}}
    with pytest.raises(UserError, match="a.safetensors: x has 33 axes"):
        read_weights(write_raw(tmp_path / "a.safetensors", entry, bytes(4)))


def test_a_file_cut_short_while_it_is_open_is_an_error_and_no_bus_error(tmp_path):
    from mindone_tae.weights.reading import open_weights

    save_file({"x": np.ones((4, 100, 100), np.float32)}, tmp_path / "a.safetensors")
    tensor = open_weights(tmp_path / "a.safetensors").tensors["x"]
    with open(tmp_path / "a.safetensors", "r+b") as file:
        file.truncate(4096)
    for read in (tensor.read, lambda: tensor.read_span(0, 4)):
        with pytest.raises(UserError, match="it became shorter while x was read"):
            read()
