"""The two files that PyTorch's LPIPS is published as, made into the one that ours reads."""

import os
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import mindone_tae
from mindone_tae.losses.lpips.conversion import convert_lpips
from mindone_tae.losses.lpips.weights_file import read
from mindone_tae.zoo.errors import UserError

ROOT = Path(mindone_tae.__file__).resolve().parent.parent
TOOL = ROOT / "tools" / "convert_lpips.py"
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}


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
        storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(str(key)) + text("cpu") + whole(array.size) + (b"N" if legacy else b"") + b"tQ"
        strides = [step // 4 for step in array.strides]
        tensor = b"(" + storage + whole(0) + listed(array.shape) + listed(strides) + b"\x89" + b"ccollections\nOrderedDict\n)Rt"
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
def published(lpips_weights):
    """What the two published files hold, under their names."""
    vgg = {f"features.{name.split('.', 2)[2]}": weight for name, weight in lpips_weights.items() if name.startswith("net.")}
    vgg["classifier.0.bias"] = np.zeros(8, np.float32)
    return vgg, {name: weight for name, weight in lpips_weights.items() if name.startswith("lin")}


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_the_tool_writes_what_lpips_reads_and_needs_neither_torch_nor_mindspore(published, lpips_weights, tmp_path, legacy):
    vgg, linear = (write(tmp_path / f"{i}.pth", arrays, legacy) for i, arrays in enumerate(published))
    target = str(tmp_path / "lpips_vgg.safetensors")
    script = (
        "import runpy, sys; sys.argv[0] = sys.argv.pop(1)\n"
        "sys.modules['torch'] = sys.modules['mindspore'] = None  # importing either fails\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", script, TOOL, "--vgg", vgg, "--linear", linear, "--target", target], capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    assert "31 tensors" in done.stdout and "loss.lpips_path" in done.stdout
    found = read(target, "loss.lpips_path")
    assert found.keys() == lpips_weights.keys()
    for name, weight in lpips_weights.items():
        np.testing.assert_array_equal(found[name], weight)


def test_a_file_that_is_not_the_published_one_is_told_with_all_it_lacks(published, tmp_path):
    vgg, linear = dict(published[0]), dict(published[1])
    del vgg["features.28.bias"]
    vgg["features.0.weight"] = np.zeros((64, 1, 3, 3), np.float32)
    paths = write(tmp_path / "vgg.pth", vgg, False), write(tmp_path / "linear.pth", linear, False)
    with pytest.raises(UserError) as caught:
        convert_lpips(*paths, tmp_path / "t.safetensors")
    assert "vgg.pth has no features.28.bias" in str(caught.value)
    assert "features.0.weight" in str(caught.value) and "must be (64, 3, 3, 3)" in str(caught.value)
    assert not (tmp_path / "t.safetensors").exists()


def test_a_malicious_file_ends_in_one_line_and_runs_nothing(published, tmp_path):
    mark = tmp_path / "was_run"
    with zipfile.ZipFile(tmp_path / "bad.pth", "w") as archive:
        archive.writestr("vgg/data.pkl", b"\x80\x02cos\nsystem\n" + text(f"touch {mark}") + b"\x85R.")
    linear = write(tmp_path / "linear.pth", published[1], False)
    command = [sys.executable, TOOL, "--vgg", tmp_path / "bad.pth", "--linear", linear, "--target", tmp_path / "t.safetensors"]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "os.system" in done.stderr and "refused" in done.stderr
    assert not mark.exists()


def test_the_target_must_be_a_safetensors_file(tmp_path):
    with pytest.raises(UserError, match="lpips.ckpt.*safetensors"):
        convert_lpips("a.pth", "b.pth", tmp_path / "lpips.ckpt")
