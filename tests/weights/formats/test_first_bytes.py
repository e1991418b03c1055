"""A file that is none of its name's format: what it is instead."""

import numpy as np
import pytest

from mindone_tae.weights import read_weights, save_weights
from mindone_tae.zoo.errors import UserError

SUFFIXES = [".safetensors", ".ckpt", ".pth", ".bin"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_git_lfs_pointer_is_told_from_damage(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n")
    with pytest.raises(UserError, match="git lfs pull"):
        read_weights(path)


@pytest.mark.parametrize(
    "right, suffix", [(right, other) for right in SUFFIXES[:2] for other in SUFFIXES if other != right]
)
@pytest.mark.parametrize("count", [1, 10**4])
def test_a_format_under_anothers_name_is_told_so(tmp_path, right, suffix, count):
    save_weights({"x": np.zeros(count, np.float32)}, tmp_path / f"a{right}")
    (tmp_path / f"a{right}").rename(tmp_path / f"a{suffix}")
    kind = f"it is a {right} file.* and no {suffix} file: rename it to end in {right}"
    with pytest.raises(UserError, match=rf"a{suffix}: {kind}"):
        read_weights(tmp_path / f"a{suffix}")


def test_a_pickle_called_safetensors_is_told_so(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(
        UserError, match="a.safetensors: it is a file of torch.save and no .safetensors file: rename it"
    ):
        read_weights(path)
