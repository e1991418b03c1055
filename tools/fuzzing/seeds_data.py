"""Whole files of data as the package writes them, small, so that a variant costs milliseconds. No MindSpore here."""

import json

import numpy as np

from mindone_tae.data.files.collection import Item
from mindone_tae.data.files.inspection import ClipInfo
from mindone_tae.data.files.manifest import COLUMNS, manifest_row, write_manifest
from mindone_tae.data.latents.clip import LatentClip
from mindone_tae.data.latents.clip_file import write_latents
from mindone_tae.data.latents.shards import shard_path, write_index, write_shard
from mindone_tae.data.readers.base import UnreadableVideo


def tables(folder):
    """The same files as csv, tsv, json and jsonl."""
    rows = [{"video": f"deep/{name}.mp4", "caption": f"the clip {name}", "seconds": 1.5} for name in "abc"]
    for suffix, mark in (("csv", ","), ("tsv", "\t")):
        lines = [rows[0], *(row.values() for row in rows)]
        (folder / f"t.{suffix}").write_text("\n".join(mark.join(map(str, line)) for line in lines) + "\n")
    (folder / "t.json").write_text(json.dumps(rows))
    (folder / "t.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")


def rows_of_manifest(folder):
    """The rows that check-data would write of files."""
    facts = [ClipInfo(9, 24.0, (16, 24), "h264", "pyav"), ClipInfo(1, 0.0, (16, 16), "png", "image", transfer="pq")]
    found = [*facts, UnreadableVideo(str(folder / "c.mp4"), "moov atom not found")]
    return [
        manifest_row(Item(str(folder / name), name, {"caption": "x"}), str(folder), info)
        for name, info in zip(("a.mp4", "=b.png", "c.mp4"), found)
    ]


def manifests(folder):
    """manifest.csv, beside the files that it tells of."""
    for name in ("a.mp4", "=b.png", "c.mp4"):
        (folder / name).write_bytes(b"x")
    write_manifest(str(folder / "manifest.csv"), rows_of_manifest(folder))


def journals(folder):
    """checked.jsonl, as a check leaves it."""
    manifests(folder)
    (folder / "manifest.csv").unlink()
    lines = [
        {**{name: row[name] for name in COLUMNS}, "check": ["auto", "ends", "refuse"]}
        for row in rows_of_manifest(folder)
    ]
    (folder / "checked.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def latent(name="a.mp4", sample=False, shape=(4, 2, 2, 3)):
    rng = np.random.default_rng(0)
    kinds = ("sample",) if sample else ("mean", "logvar")
    arrays = {kind: rng.standard_normal(shape, np.float32) for kind in kinds}
    model = {"name": "tae", "pretrained": "a.ckpt", "settings": {"dtype": "float32"}, "sha256": "0" * 64}
    facts = {
        "scaling_convention": "mindone",
        "scaling_factor": 1.5,
        "shift_factor": 0.1,
        "model": model,
        "seed": 7 if sample else None,
    }
    facts |= {"crop": (0.0, 0.0, 24.0, 16.0), "source_state": (1, 2)}
    return LatentClip(**{"mean": None, "logvar": None, **arrays}, frames=3, fps=24.0, size=(4, 6), source=name, **facts)


def latents(folder):
    """A file a clip: a posterior and a sample."""
    write_latents(folder / "a.mp4.safetensors", latent())
    write_latents(folder / "deep/b.mp4.safetensors", latent("deep/b.mp4", sample=True))


def shards(folder):
    """Two shards and their index."""
    write_shard(shard_path(folder, 0), {"a.mp4": latent(), "b.mp4": latent("b.mp4")})
    write_shard(shard_path(folder, 1), {"deep/c.mp4": latent("deep/c.mp4")})
    write_index(folder)
    (folder / ".index.lock").unlink()


def raw_latents(folder):
    """Arrays of a sampler."""
    from safetensors.numpy import save_file

    array = np.random.default_rng(0).standard_normal((2, 4, 2, 2, 3)).astype(np.float32)
    np.save(folder / "several.npy", array)
    save_file({"latents": array[0], "others": array[1]}, folder / "two.safetensors")
