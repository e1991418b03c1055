"""The kinds of files of data, and all that the package does with one of each. Nothing here needs MindSpore."""

import shutil
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mindone_tae.cli.commands.decode import (
    _check_shapes,
    _chosen,
    _lengths,
    _output,
    latent_chunks,
    whole_latents,
)
from mindone_tae.data.files.checking import CollectionCheck
from mindone_tae.data.files.collection import Item, read_collection
from mindone_tae.data.files.manifest import write_manifest
from mindone_tae.data.files.summary import summarize, write_histograms
from mindone_tae.data.latents.cache import LatentFiles, why_to_encode
from mindone_tae.data.latents.raw import as_stored, find_raw
from mindone_tae.data.latents.shard_cache import LatentShards
from mindone_tae.data.tae_latents import LatentsDataset
from mindone_tae.data.tae_video import TAEVideoDataset
from mindone_tae.zoo.run.folder import write_json

from . import damage, damage_tensors, seeds_data


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    Attributes:
        name: of it.
        make: writes whole ones into a folder.
        by_format: suffix to the function that damages such a file; files of other suffixes are left as they are.
        read: does all with such a folder that the package does. It may raise what the command line shows as one line.
        share: how many of a hundred variants are of it.
    """

    name: str
    make: Callable
    by_format: dict
    read: Callable
    share: int


def read_tables(folder):
    """The files of a table, and the data set of them, unopened."""
    for path in folder.glob("t.*"):
        for item in read_collection(str(path), str(folder)):
            Path(item.path).exists()
        TAEVideoDataset(csv_path=str(path), folder=str(folder), size=16, check_files=False)


def read_manifest(folder):
    """The data set of a manifest."""
    manifest = str(folder / "manifest.csv")
    for keywords in ({"hdr": "tonemap"}, {"size_buckets": [[16, 16], [16, 24]], "short_video": "bucket"}):
        dataset = TAEVideoDataset(manifest_path=manifest, folder=str(folder), **{"size": 16, **keywords})
        dataset.step_choice(np.random.default_rng(0))
        [dataset.describe(index) for index in range(len(dataset))]


def read_journal(folder):
    """What check-data --resume takes up, and what it would write of it."""
    items = [Item(str(folder / name), name, {"caption": "x"}) for name in ("a.mp4", "=b.png", "c.mp4")]
    check = CollectionCheck(items, str(folder), folder / "checked.jsonl")
    check.resume()
    rows = list(check._rows.values())
    write_json(folder / "summary.json", summarize(rows))
    write_manifest(str(folder / "manifest.csv"), rows)
    write_histograms(folder / "histograms.png", rows)
    if rows:
        read_manifest(folder)


class _Ratios:
    """What decode asks a model of latents: 2 frames and 2 pixels a latent one."""

    latent_channels = 4

    def latent_size(self, size):
        return tuple(-(-side // 2) for side in size)


def read_latents(folder):
    """decode and latent-stats, without the network; training on them; and encode's look at what is there."""
    _decode(_chosen(whole_latents(folder), Namespace(csv_path=None, video_folder=None)), folder)
    cache = LatentShards(folder, 10**6) if (folder / "index.json").exists() else LatentFiles(folder)
    expected = {"model": {"sha256": "0" * 64}, "source_state": (1, 2), "fps": 24.0}
    [why_to_encode(latent, expected) for latent in cache.latents.values()]
    for convention in ("none", "mindone", "diffusers"):
        dataset = LatentsDataset(str(folder), "sample", convention, ["latent", "path"])
        [(dataset[index], dataset.describe(index)) for index in range(len(dataset))]


def _decode(latents, folder):
    model, length = _Ratios(), _lengths(None)
    _check_shapes(latents, model)
    for latent in latents:
        chunks = list(latent_chunks([latent]))
        with _output(folder / "decoded", latent, "mp4") as output:
            for _ in range(min(length(latent), 2)):
                output.write(np.full((4, 6, 3), int(abs(np.nan_to_num(chunks[0]).flat[0])) % 256, np.uint8))


def read_raw(folder):
    """decode of a sampler's arrays."""
    factors = {"scaling_convention": "mindone", "scaling_factor": 1.5, "shift_factor": 0.1}
    _decode([as_stored(raw, (2, 2), 24.0, factors) for raw in find_raw(folder)], folder)


SAFETENSORS = {".safetensors": damage_tensors.of_safetensors}
KINDS = [
    Kind(
        "table",
        seeds_data.tables,
        {".csv": damage.of_table, ".tsv": damage.of_bytes, ".json": damage.of_json, ".jsonl": damage.of_lines},
        read_tables,
        14,
    ),
    Kind("manifest", seeds_data.manifests, {".csv": damage.of_table}, read_manifest, 9),
    Kind("checked.jsonl", seeds_data.journals, {".jsonl": damage.of_lines}, read_journal, 7),
    Kind("latents", seeds_data.latents, SAFETENSORS, read_latents, 9),
    Kind("shards", seeds_data.shards, {**SAFETENSORS, ".json": damage.of_json}, read_latents, 9),
    Kind("raw latents", seeds_data.raw_latents, {**SAFETENSORS, ".npy": damage_tensors.of_npy}, read_raw, 5),
]


def made(folder, kinds):
    """Writes the seeds of kinds below a folder, a folder each; gives it."""
    for kind in kinds:
        place = Path(folder) / kind.name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        kind.make(place)
    return Path(folder)
