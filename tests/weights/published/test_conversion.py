"""Tensors found by the names and axes of a published layout."""

import pickle
import tarfile

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mindone_tae.weights import save_weights
from mindone_tae.weights.published import conversion
from mindone_tae.zoo.errors import UserError

RNG = np.random.default_rng(0)
KERNEL = RNG.standard_normal((3, 3, 2, 4)).astype(np.float32)  # (h, w, in, out)
MEAN = RNG.standard_normal((1, 1, 4)).astype(np.float32)
SHAPES = {"conv.weight": (4, 2, 3, 3), "conv.mean": (4,)}
FLAX = {"conv.weight": ("a/kernel", (3, 2, 0, 1)), "conv.mean": ("a/mean", (2,))}
PLAIN = {name: (name, None) for name in SHAPES}
ARRAYS = {"conv.weight": KERNEL.transpose(3, 2, 0, 1), "conv.mean": MEAN.reshape(4)}


def same(found):
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)


def test_axes_are_put_in_order_and_those_of_length_one_left_out(tmp_path):
    (tmp_path / "w.ckpt").write_bytes(pickle.dumps({"a": {"kernel": KERNEL, "mean": MEAN}}, 4))
    stored = conversion.open_published(tmp_path / "w.ckpt", "")
    same(conversion.gather([stored], [PLAIN, FLAX], SHAPES))


def test_a_source_package_is_read_where_it_lies(tmp_path):
    (tmp_path / "w.ckpt").write_bytes(pickle.dumps({"a": {"kernel": KERNEL, "mean": MEAN}}, 3))
    with tarfile.open(tmp_path / "p-1.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "w.ckpt", "p-1/p/w.ckpt")
    same(conversion.gather([conversion.open_published(tmp_path / "p-1.tar.gz", "p/w.ckpt")], [FLAX], SHAPES))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p-1.tar.gz", "w.ckpt"]


def test_what_is_written_is_what_a_safetensors_source_gives_back(tmp_path):
    save_weights({name: np.ascontiguousarray(array) for name, array in ARRAYS.items()}, tmp_path / "w.safetensors")
    same(load_file(tmp_path / "w.safetensors"))
    found = conversion.gather([conversion.open_published(tmp_path / "w.safetensors", "")], [FLAX, PLAIN], SHAPES)
    same(found)
    assert conversion.sha256(found) == conversion.sha256(ARRAYS)


def test_the_digest_tells_numbers_names_and_types_apart():
    arrays = {"a": np.arange(4, dtype=np.float32), "b": np.ones(2, np.float32)}
    others = [
        {**arrays, "a": np.arange(4, dtype=np.float32)[::-1].copy()},
        {**arrays, "a": np.arange(4, dtype=np.float64)},
        {**arrays, "a": np.arange(4, dtype=np.float32).reshape(2, 2)},
        {"a": arrays["a"], "c": arrays["b"]},
    ]
    digests = {conversion.sha256(found) for found in [arrays, *others]}
    assert len(digests) == 5
    assert conversion.sha256(dict(reversed(arrays.items()))) == conversion.sha256(arrays)


@pytest.mark.parametrize(
    "mean", [MEAN.reshape(4), MEAN.repeat(2, axis=0)], ids=["an axis short", "a wide one left out"]
)
def test_axes_that_do_not_give_the_shape_are_told(mean, tmp_path):
    save_file({"a/kernel": KERNEL, "a/mean": mean}, tmp_path / "w.safetensors")
    stored = conversion.open_published(tmp_path / "w.safetensors", "")
    with pytest.raises(UserError, match=r"a/mean has the shape .*does not give conv.mean the shape \(4,\)"):
        conversion.gather([stored], [FLAX], SHAPES)
