"""MindSpore's checkpoints, against MindSpore and against damage."""

import ml_dtypes
import numpy as np
import pytest

import mindspore as ms
from mindspore.train.checkpoint_pb2 import Checkpoint

from mindone_tae.weights import read_metadata, read_weights, save_weights
from mindone_tae.zoo.errors import UserError

ARRAYS = {
    "a.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
    "b.bias": np.array([1.5, -2.0], np.float16),
    "c.bias": np.array(3.25, np.float32),
}


def test_what_mindspore_wrote_is_read(tmp_path):
    entries = [{"name": name, "data": ms.Tensor(array)} for name, array in ARRAYS.items()]
    entries.append({"name": "d.bias", "data": ms.Tensor(np.array([0.5, 3.0], np.float32)).astype(ms.bfloat16)})
    ms.save_checkpoint(entries, str(tmp_path / "a.ckpt"), append_dict={"note": "by a training loop"})
    found = read_weights(tmp_path / "a.ckpt")
    assert found.keys() == {*ARRAYS, "d.bias"}
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)
    assert found["d.bias"].dtype == ml_dtypes.bfloat16 and found["d.bias"].astype(float).tolist() == [0.5, 3.0]


@pytest.mark.parametrize(
    ("dtype", "expected"), [("float32", ms.float32), ("float16", ms.float16), ("bfloat16", ms.bfloat16)]
)
def test_mindspore_reads_what_is_written(tmp_path, dtype, expected):
    save_weights(ARRAYS, tmp_path / "a.ckpt", {"step": 3}, dtype=dtype)
    found = ms.load_checkpoint(str(tmp_path / "a.ckpt"))
    for name, array in ARRAYS.items():  # all these numbers are exact in every type
        assert found[name].dtype == expected
        np.testing.assert_array_equal(found[name].float().asnumpy(), array.astype(np.float32))


def test_what_was_noted_comes_back(tmp_path):
    save_weights(ARRAYS, tmp_path / "a.ckpt", {"text": "größer", "config": {"widths": [4, 8]}})
    assert read_metadata(tmp_path / "a.ckpt") == {"text": "größer", "config": '{"widths": [4, 8]}'}


def test_a_tensor_in_several_pieces_is_joined(tmp_path):
    checkpoint = Checkpoint()
    for piece in (np.arange(4, dtype=np.float32), np.arange(4, 6, dtype=np.float32)):
        value = checkpoint.value.add()
        value.tag, value.tensor.tensor_type, value.tensor.tensor_content = "x", "Float32", piece.tobytes()
        value.tensor.dims.extend((2, 3))
    (tmp_path / "a.ckpt").write_bytes(checkpoint.SerializeToString())
    assert read_weights(tmp_path / "a.ckpt")["x"].tolist() == [[0, 1, 2], [3, 4, 5]]


def whole(tmp_path):
    save_weights(ARRAYS, tmp_path / "whole.ckpt")
    return (tmp_path / "whole.ckpt").read_bytes()


def of_one_tensor(type_name, dims, content):
    checkpoint = Checkpoint()
    value = checkpoint.value.add()
    value.tag, value.tensor.tensor_type, value.tensor.tensor_content = "x", type_name, content
    value.tensor.dims.extend(dims)
    return checkpoint.SerializeToString()


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda raw: b"", "it is empty"),
        (lambda raw: raw[:-40], ""),
        (lambda raw: raw[:9], ""),
        (lambda raw: bytes(range(200, 256)) * 20, ""),
        (lambda raw: raw.replace(np.float32(7).tobytes(), np.float32(8).tobytes()), "its checksum does not fit"),
        (
            lambda raw: of_one_tensor("Float32", (1000, 1000), bytes(8)),
            r"x is Float32 of shape \(1000, 1000\) and has 8 bytes",
        ),
        (lambda raw: of_one_tensor("Float32", (-1, -2), bytes(8)), "x is Float32 of shape"),
        (lambda raw: of_one_tensor("Float32", (1,) * 33, bytes(4)), "x has 33 axes"),
        (lambda raw: of_one_tensor("Flaot32", (2,), bytes(8)), "x is of the unknown type 'Flaot32'"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path, damage, complaint):
    path = tmp_path / "broken.ckpt"
    path.write_bytes(damage(whole(tmp_path)))
    with pytest.raises(UserError, match=rf"broken\.ckpt: .*{complaint}"):
        read_weights(path)


@pytest.mark.parametrize("start", [b"PK\x03\x04", b"\x80\x02}q\x00."])
def test_a_damaged_pickle_called_ckpt_is_told_as_one_of_torch(tmp_path, start):
    path = tmp_path / "v1-5.ckpt"
    path.write_bytes(start + bytes(50))
    with pytest.raises(UserError, match=r"v1-5\.ckpt: not a whole file of torch.save"):
        read_weights(path)


@pytest.mark.parametrize("names", [("x", "x"), ("x", "y", "x")])
def test_a_name_that_stands_twice_is_refused(tmp_path, names):
    checkpoint = Checkpoint()
    for name in names:
        value = checkpoint.value.add()
        value.tag, value.tensor.tensor_type, value.tensor.tensor_content = name, "Float32", bytes(8)
        value.tensor.dims.extend((2,))
    (tmp_path / "a.ckpt").write_bytes(checkpoint.SerializeToString())
    with pytest.raises(
        UserError,
        match=r"a\.ckpt: not a whole \.ckpt file of MindSpore: "
        r"(it holds x twice|x is Float32 of shape \(2,\) and has 16 bytes)",
    ):
        read_weights(tmp_path / "a.ckpt")


@pytest.mark.parametrize(
    "content",
    [
        b"\x0a\x06\x0a\x02\xff\xfe\x12\x00",  # a tag that is no UTF-8
        b"\x0a\xff\xff\xff\xff\x7f",  # a message that ends far behind the file's end
        b"\x0b" * 5000,  # groups within groups
        b"\x0a\x02\x12\x09",
    ],
)
def test_bytes_that_are_no_messages_are_one_error(tmp_path, content):
    (tmp_path / "w.ckpt").write_bytes(content)
    with pytest.raises(UserError, match="w.ckpt: not a whole .ckpt file of MindSpore"):
        read_weights(tmp_path / "w.ckpt")
