"""Files, names and numbers of somebody else's."""

import json
import os
import zipfile

import numpy as np

from .running import TINY, Attack, clips, done, files_of, refused, run, weights

_ENCODE = ["encode", "--video_folder", "videos", "--output_path", "out"]
_TARGET = ["--target", "out.safetensors"]  # inflate reads any weights, and builds nothing before
_DIGITS = "9" * 5000


def _anchors(folder):
    bomb = "\n".join(
        ["x0: &x0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
        + [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]" for n in range(1, 12)]
    )
    inside = "\n".join(f"  {line}" for line in bomb.splitlines())
    merged = "\n".join(
        ["  k0: &k0 {a: 1}"] + [f"  k{n}: &k{n} {{<<: [{', '.join([f'*k{n - 1}'] * 10)}]}}" for n in range(1, 12)]
    )
    itself = "model: &m {name: tae, x: *m}"
    for name, text in (
        ("top", bomb),
        ("known", f"model:\n  name: tae\n{inside}"),
        ("merge", f"model:\n{merged}"),
        ("itself", itself),
    ):
        (folder / f"{name}.yaml").write_text(text)
        yield refused(name, run(["train", "--config", f"{name}.yaml", "--output_path", "out"], folder, 20))


def _pickles(folder):
    start = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."
    start += b"\x80\x02}q\x00X\x0d\x00\x00\x00little_endianq\x01\x88s."
    doubled = b")q\x00" + b"h\x00h\x00\x86q\x00" * 60
    programs = {
        "hashed": start + b"\x80\x02}" + doubled + b"K\x01s.",
        "printed": start + b"\x80\x02" + doubled + b".",
        "compared": b"\x80\x02" + doubled + b".",
        "code": b"\x80\x02cos\nsystem\nX\x05\x00\x00\x00touch\x85R.",
        "deep": start + b"\x80\x02" + b"(" * 500_000 + b".",
        "endless": start + b"\x80\x02" + b"]2a" * 2_000_000 + b".",
        "long": start + b"\x80\x02X\xff\xff\xff\x7f",
    }
    for name, program in programs.items():
        (folder / f"{name}.pth").write_bytes(program)
        yield refused(name, run(["inflate", "--src", f"{name}.pth", *_TARGET], folder, 30))
    with zipfile.ZipFile(folder / "zip.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**8))
    yield refused("compressed", run(["inflate", "--src", "zip.pt", *_TARGET], folder, 30))


def _safetensors(path, header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


def _tensors(folder):
    f32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    cases = {
        "overlap": ({"a": f32, "b": {**f32, "data_offsets": [4, 12]}}, bytes(12)),
        "hole": ({"a": f32, "b": {**f32, "data_offsets": [12, 20]}}, bytes(20)),
        "twice": (b'{"a":' + json.dumps(f32).encode() + b',"a":' + json.dumps(f32).encode() + b"}", bytes(8)),
        "axes": ({"a": {"dtype": "F32", "shape": [1] * 40, "data_offsets": [0, 4]}}, bytes(4)),
        "gigantic": ({"a": {"dtype": "F32", "shape": [10**9] * 3, "data_offsets": [0, 4 * 10**27]}}, bytes(16)),
        "escapes": ({"\x1b[2J\x1b[31m\u202e": f32}, bytes(8)),
        "deep": (b"[" * 200_000, b""),
    }
    for name, content in cases.items():
        _safetensors(folder / f"{name}.safetensors", *content)
        yield refused(name, run(["inflate", "--src", f"{name}.safetensors", *_TARGET], folder, 30))
    from mindspore.train.checkpoint_pb2 import Checkpoint

    checkpoint = Checkpoint()
    for tag in ("a", "b", "a"):
        entry = checkpoint.value.add(tag=tag)
        entry.tensor.dims.extend([2])
        entry.tensor.tensor_type, entry.tensor.tensor_content = "Float32", bytes(8)
    (folder / "tag.ckpt").write_bytes(checkpoint.SerializeToString())
    yield refused("a tag twice", run(["inflate", "--src", "tag.ckpt", *_TARGET], folder, 30))


def _diffusers(folder):
    clips(folder)
    changes = [{"block_out_channels": [10**9]}, {"block_out_channels": [8] * 10_000}, {"layers_per_block": 10**9}]
    changes += [
        {"latent_channels": 10**12},
        {"norm_num_groups": 0},
        {"block_out_channels": "8"},
        {"scaling_factor": "a"},
    ]
    for number, change in enumerate(changes):
        place = folder / f"vae{number}"
        place.mkdir()
        config = {
            "_class_name": "AutoencoderKL",
            "block_out_channels": [8, 8],
            "layers_per_block": 1,
            "norm_num_groups": 4,
            **change,
        }
        (place / "config.json").write_text(json.dumps(config))
        header = {"encoder.conv_in.weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
        _safetensors(place / "diffusion_pytorch_model.safetensors", header, bytes(4))
        for name in ("evaluate", "reconstruct"):
            words = [name, "--ckpt_path", place.name, "--video_folder", "videos", "--output_path", "out"]
            yield refused(f"{name}, {str(change)[:60]}", run(words, folder, 60))


def _numbers(folder):
    clips(folder)
    weights(folder)
    encode, reconstruct = (
        [*_ENCODE, *TINY[:2]],
        ["reconstruct", "--video_folder", "videos", "--output_path", "out", *TINY[:2]],
    )
    cases = [[*encode, "--image_size", _DIGITS], [*encode, "--image_size", "²"], [*encode, "--shard_size_mb", "inf"]]
    cases += [[*encode, "--shard_size_mb", "nan"], [*encode, "--batch_size", "-1"], [*encode, "--batch_size", _DIGITS]]
    cases += [
        [*reconstruct, "--num_frames", _DIGITS],
        [*reconstruct, "dataset.size=8e9"],
        [*encode, "dataset.size=1e400"],
    ]
    train = ["train", "--config", "tae/train/tiny_64x64x8", "--output_path", "out", "--video_folder", "videos"]
    for override in (
        "scheduler.lr=1e400",
        "train.steps=1e400",
        "train.batch_size=1e30",
        "dataset.sample_n_frames=1000000000",
    ):
        cases.append([*train, override])
    cases += [[*train, f"train.steps={_DIGITS}"], [*train, "dataset.csv_path=[a, b]"], [*train, "model.pretrained=[a]"]]
    for command in (
        "train",
        "encode",
        "decode",
        "reconstruct",
        "evaluate",
        "check-data",
        "plot",
        "report",
        "latent-stats",
        "linear-code",
        "demo",
    ):
        positional = ["videos"] if command in ("check-data", "plot", "report") else []
        more = ["--latent_folder", "videos"] if command in ("decode", "latent-stats") else []
        more += ["--config", "tae/train/tiny_64x64x8"] if command == "train" else []
        cases.append([command, *positional, *more, "--output_path", ""])
    for words in cases:
        yield refused(" ".join(word[:30] for word in words), run(words, folder, 60))
    yield refused("nothing was written", run(["encode", "missing", "--output_path", "out"], folder, 60))


def _latents(folder):
    from fuzzing.seeds_data import latent

    from mindone_tae.data.latents.clip_file import write_latents
    from mindone_tae.weights.formats.safetensors import write_safetensors

    weights(folder)
    whole = latent()
    good = {name: json.dumps(value) for name, value in whole.facts.items()} | {"format": "mindone_tae latents 1"}
    changes = {
        "fps": ["1e300", "-1", "1e400", '"24"', "1e-320", "5000"],
        "frames": ["1e9", "0", "[3]", str(10**30)],
        "size": ['"4x6"', "[4]"],
    }
    changes |= {
        "source": ['"../../x"', "3", '"\\ud800"'],
        "scaling_factor": ["0", "1e-320", "NaN"],
        "model": ["[]"],
        "frame": ["1"],
    }
    for number, (key, values) in enumerate(changes.items()):
        for value in values:
            place = folder / f"{number}_{values.index(value)}"
            place.mkdir()
            write_safetensors(place / "a.mp4.safetensors", whole.arrays, {**good, key: value})
            words = ["decode", "--latent_folder", place.name, "--output_path", "out", *TINY[:2]]
            yield refused(f"{key} {value[:20]}", run(words, folder, 60))
    for name, value in (("nan", np.nan), ("inf", np.inf)):
        spoilt = whole.mean.copy()
        spoilt[0, 1, 0, 0] = value
        write_latents(folder / name / "a.mp4.safetensors", type(whole)(spoilt, whole.logvar, **whole.facts))
        words = ["decode", "--latent_folder", name, "--output_path", "out", *TINY[:2]]
        yield refused(name, run(words, folder, 60))


def _names(folder):
    weights(folder)
    odd = [
        os.fsdecode(b"caf\xe9.mp4"),
        "\x1b[2J\x1b[31m.mp4",
        "a\nb.mp4",
        "\u202egpj.mp4",
        "=1+1.mp4",
        "$x$.mp4",
        "x" * 240 + ".mp4",
    ]
    clips(folder, [*odd, "x" * 251 + ".mp4"])
    commands = [
        ["check-data", "videos"],
        ["encode", "--video_folder", "videos", *TINY],
        ["encode", "--video_folder", "videos", *TINY, "--shard_size_mb", "1"],
    ]
    commands += [[name, "--video_folder", "videos", *TINY] for name in ("reconstruct", "evaluate")]
    for number, words in enumerate(commands):
        said = run([*words, "--output_path", f"out{number}"], folder, 240)
        yield done(" ".join(words[:1] + words[7:]), said, not list(folder.glob(f"out{number}/**/*.tmp*")))
    for number in (1, 2):
        words = ["decode", "--latent_folder", f"out{number}", "--output_path", f"decoded{number}", *TINY[:2]]
        said = run(words, folder, 240)
        yield done(f"decode {number}", said, len(list(folder.glob(f"decoded{number}/*.mp4"))) >= 6)
    words = [
        "reconstruct",
        *TINY,
        "--output_path",
        "out9",
        "dataset.manifest_path=out0/manifest.csv",
        "--video_folder",
        "videos",
    ]
    yield done("the manifest back", run(words, folder, 240), len(list(folder.glob("out9/reconstruction/*.mp4"))) == 8)


def _runs(folder):
    from fuzzing.seeds import runs

    place = folder / "$\\frac{1}{0}$ \x1b[2J \u202e"
    place.mkdir()
    runs(place)
    yield done("plot of a hostile name", run(["plot", place], folder, 60), (place / "curves.png").exists())
    with open(place / "metrics.jsonl", "ab") as lines:
        lines.write(
            b'{"step": 3, "loss": 1e400, "$\\\\frac": 1}\n{"step": "x"}\n[1]\n'
            + bytes(5000)
            + b"\xff\n{"
            + b"[" * 100_000
        )
    yield done("plot of damaged metrics", run(["plot", place], folder, 60))
    for name in ("config.yaml", "environment.json"):
        (place / name).write_bytes(bytes(4096))
    words = ["plot", place, "--output_path", "b.png"]
    yield done("zeros of a power cut", run(words, folder, 60), len(files_of(place)) > 4)


ATTACKS = [
    Attack("anchors", "recipes under 2 kB whose anchors and merge keys unfold for ever", _anchors),
    Attack("pickles", "pickles that hang when hashed, compared or printed, that run code, that unfold", _pickles),
    Attack("tensors", "overlaps, holes, names twice, 40 axes, 10^27 numbers, escape sequences in names", _tensors),
    Attack("diffusers", "diffusers folders with absurd widths through evaluate and reconstruct", _diffusers),
    Attack("numbers", "5,000 digits, infinities, lists for paths, an empty --output_path on every command", _numbers),
    Attack("latents", "latents with wrong types, absurd rates and sizes, numbers that are not finite", _latents),
    Attack("names", "clips whose names are no UTF-8, act on terminals, are formulas, or are too long", _names),
    Attack("runs", "plot on hostile folder names and damaged metrics", _runs),
]
