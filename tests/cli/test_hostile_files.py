"""Files that would run code, exhaust memory, or lead outside their folder end a command with one error."""

import json
import zipfile
from pathlib import Path

import pytest

from mindspore.train.checkpoint_pb2 import Checkpoint

from mindone_tae.cli import run


def evil_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"cos\nsystem\n(S'touch pwned'\ntR.")


def gigantic_safetensors(path):
    text = json.dumps(
        {"encoder.conv_in.conv.weight": {"dtype": "F32", "shape": [10**9] * 3, "data_offsets": [0, 4 * 10**27]}}
    ).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(16))


def gigantic_ckpt(path):
    checkpoint = Checkpoint()
    entry = checkpoint.value.add(tag="encoder.conv_in.conv.weight")
    entry.tensor.dims.extend([10**9] * 3)
    entry.tensor.tensor_type, entry.tensor.tensor_content = "Float32", bytes(16)
    path.write_bytes(checkpoint.SerializeToString())


@pytest.mark.parametrize(
    ("name", "write", "complaint"),
    [
        ("evil.ckpt", evil_zip, "it asks for os.system, which a file of tensors does not need and could run code"),
        ("evil.safetensors", evil_zip, "it is a PyTorch pickle and no .safetensors file"),
        ("evil.safetensors", gigantic_safetensors, "not a whole .safetensors file"),
        ("evil.ckpt", gigantic_ckpt, "not a whole .ckpt file"),
    ],
)
def test_weights_that_are_code_or_gigantic_are_one_error(encode, name, write, complaint):
    write(Path(name))
    shown = encode("cache", "--ckpt_path", name, status=2)
    errors = [line for line in shown.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and complaint in errors[0] and "Traceback" not in shown.err
    assert sorted(path.name for path in Path().iterdir()) == sorted(["videos", "cache", name])


def test_a_recipe_with_code_in_it_is_one_error(encode):
    Path("evil.yaml").write_text("model: !!python/object/apply:os.system ['touch pwned']\n")
    shown = encode("cache", "--config", "evil.yaml", status=2)
    assert "evil.yaml" in shown.err and "Traceback" not in shown.err and not Path("pwned").exists()


def test_decode_writes_nothing_where_the_index_leads_outside(encode, weights, capsys):
    encode("cache", "--shard_size_mb", "0.0007")
    index = json.loads(Path("cache/index.json").read_text())
    index["clips"]["../../escaped.mp4"] = index["clips"]["a.mp4"]
    Path("cache/index.json").write_text(json.dumps(index))
    assert (
        run(
            [
                "decode",
                "--ckpt_path",
                str(weights / "0.safetensors"),
                "--latent_folder",
                "cache",
                "--output_path",
                "deep/out",
            ]
        )
        == 2
    )
    shown = capsys.readouterr().err
    assert "names a clip '../../escaped.mp4'" in shown and len(shown.strip().splitlines()) == 1
    assert not Path("deep").exists() and not Path("escaped.mp4").exists()
