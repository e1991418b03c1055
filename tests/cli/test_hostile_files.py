"""Files that would run code, exhaust memory, or lead outside their folder end a command with one error."""

import json
import os
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from mindspore.train.checkpoint_pb2 import Checkpoint

from mindone_tae.cli import run
from mindone_tae.data import read_latents, write_latents


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
        ("evil.safetensors", evil_zip, "it is a file of torch.save and no .safetensors file"),
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


def test_decode_writes_nothing_where_the_index_leads_outside(encode, decode_words, capsys):
    encode("cache", "--shard_size_mb", "0.0007")
    index = json.loads(Path("cache/index.json").read_text())
    index["clips"]["../../escaped.mp4"] = index["clips"]["a.mp4"]
    Path("cache/index.json").write_text(json.dumps(index))
    assert run(decode_words("cache", "deep/out")) == 2
    shown = capsys.readouterr().err
    assert "names a clip '../../escaped.mp4'" in shown and len(shown.strip().splitlines()) == 1
    assert not Path("deep").exists() and not Path("escaped.mp4").exists()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"block_out_channels": [10**9]}, "block_out_channels"),
        ({"block_out_channels": [8] * 1000}, "and 980 more and layers_per_block 1"),
        ({"layers_per_block": 10**9}, "layers_per_block 1000000000"),
        ({"latent_channels": 10**12}, "too few for that"),
        ({"block_out_channels": "8"}, "block_out_channels"),
    ],
)
def test_a_hostile_diffusers_folder_is_one_line(videos, capsys, change, complaint):
    Path("vae").mkdir()
    config = {"block_out_channels": [8, 8], "layers_per_block": 1, "norm_num_groups": 4, **change}
    Path("vae/config.json").write_text(json.dumps(config))
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    Path("vae/diffusion_pytorch_model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    for command in ("evaluate", "reconstruct"):
        assert run([command, "--ckpt_path", "vae", "--video_folder", "videos", "--output_path", "out"]) == 2
        errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1 and complaint in errors[0]


@pytest.mark.parametrize(
    ("facts", "complaint"),
    [
        ({"mean": float("nan")}, "a.mp4.safetensors holds numbers that are not finite"),
        ({"mean": float("-inf")}, "a.mp4.safetensors holds numbers that are not finite"),
        ({"scaling_convention": "diffusers", "scaling_factor": 1e-320}, "holds numbers that are not finite"),
    ],
)
def test_decode_refuses_what_is_no_video(encode, weights, capsys, facts, complaint):
    encode("cache")
    clip = read_latents("cache/a.mp4.safetensors")
    mean = clip.mean.copy()
    mean[0, 0, 0, 0] = facts.pop("mean", mean[0, 0, 0, 0])
    write_latents("cache/a.mp4.safetensors", replace(clip, mean=mean, **facts))
    words = ["--ckpt_path", str(weights / "0.safetensors"), "--latent_folder", "cache", "--output_path", "back"]
    assert run(["decode", *words]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and complaint in errors[0]
    assert not list(Path().rglob("a.mp4.mp4")) and not list(Path().rglob("*.tmp*"))


def test_names_that_are_no_utf8_or_too_long_are_known_before_the_work(encode, weights, videos, capsys):
    odd, long, longest = os.fsdecode(b"caf\xe9.mp4"), "x" * 230 + ".mp4", "y" * 251 + ".mp4"
    for name in (odd, long, longest):
        shutil.copy(videos / "deep/c.mp4", videos / name)
    shown = encode("cache")
    assert "1 file cannot be used and was left out" in shown.out
    assert "rename the video, or give --shard_size_mb" in Path("cache/unreadable.csv").read_text()
    assert all(Path(f"cache/{name}.safetensors").exists() for name in (odd, long, "a.mp4"))
    shown = encode("shards", "--shard_size_mb", "1")
    assert "1 file cannot be used and was left out" in shown.out
    assert b'caf\xe9.mp4,"its name is no UTF-8' in Path("shards/unreadable.csv").read_bytes()
    assert longest in json.loads(Path("shards/index.json").read_text())["clips"]
    model = ["--ckpt_path", str(weights / "0.safetensors")]
    for folder in ("cache", "shards"):
        assert run(["decode", *model, "--latent_folder", folder, "--output_path", f"{folder}_back"]) == 0
    assert Path(f"cache_back/{odd}.mp4").exists() and len(list(Path("shards_back").glob("y*~*.mp4"))) == 1
    assert run(["reconstruct", *model, "--image_size", "8,16", "videos", "--output_path", "rebuilt"]) == 0
    assert len(list(Path("rebuilt/reconstruction").rglob("*.mp4"))) == 7
    assert run(["evaluate", *model, "--image_size", "8,16", "videos", "--output_path", "measured"]) == 0
