"""Latents as webdataset tars, read back by Python's tarfile and, where it is installed, by webdataset."""

import io
import json
import re
import subprocess
import sys
import tarfile
import textwrap
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from mindone_tae.data.latents.clip import LatentClip
from mindone_tae.data.latents.clip_file import write_latents
from mindone_tae.data.latents.folder import find_latents
from mindone_tae.data.latents.shards import shard_path, write_index, write_shard
from mindone_tae.data.latents.tars import write_tars
from mindone_tae.zoo.errors import UserError

# Names that a loader would tear apart at their dots, or take for one another.
NAMES = ("a.mp4", "a%2Emp4", "a.gif", "deep.er/a.b.mp4", "ünï.mp4")


def latent(name, number):
    rng = np.random.default_rng(number)
    arrays = rng.standard_normal((2, 16, 1 + number, 2, 3)).astype(np.float32)
    kept = {"mean": None, "logvar": None, "sample": arrays[0], "seed": 7}
    kept = kept if number == 2 else {"mean": arrays[0], "logvar": arrays[1]}
    return LatentClip(frames=8 * (1 + number), fps=10.0, size=(16, 24), source=name, **kept)


CLIPS = {name: latent(name, number) for number, name in enumerate(NAMES)}


@pytest.fixture(params=["files", "shards"])
def latents(request, tmp_path):
    """What encode would have left, in either form."""
    folder = tmp_path / "latents"
    if request.param == "files":
        for name, clip in CLIPS.items():
            write_latents(folder / f"{name}.safetensors", clip)
    else:
        folder.mkdir()
        write_shard(shard_path(folder, 0), CLIPS)
        write_index(folder)
    return find_latents(folder)[0]


def check(found):
    """found: name to {"latent.npy": array, "json": facts, ...}."""
    assert set(found) == set(CLIPS)
    for name, clip in CLIPS.items():
        sample, expected = found[name], clip.mean if clip.sample is None else clip.sample
        assert sample["latent.npy"].dtype == np.float32 and np.array_equal(sample["latent.npy"], expected)
        assert ("logvar.npy" in sample) is (clip.sample is None)
        assert clip.sample is not None or np.array_equal(sample["logvar.npy"], clip.logvar)
        assert sample["json"] == json.loads(json.dumps(clip.facts))


def test_tarfile_reads_them_back_equal_each_sample_in_a_row(latents, tmp_path):
    tars = write_tars(tmp_path / "tars", latents, tar_size_mb=0.009)
    paths = sorted((tmp_path / "tars").iterdir())
    assert tars == len(paths) > 1
    found, keys = {}, []
    for path in paths:
        with tarfile.open(path) as tar:
            for member in tar:
                key, _, kind = member.name.partition(".")
                if keys[-1:] != [key]:
                    keys.append(key)
                content = tar.extractfile(member).read()
                read = json.loads if kind == "json" else lambda held: np.load(io.BytesIO(held), allow_pickle=False)
                found.setdefault(unquote(key), {})[kind] = read(content)
    check(found)
    assert len(keys) == len(set(keys)) == len(CLIPS)


def test_webdataset_reads_them_back_equal(latents, tmp_path):
    wds = pytest.importorskip("webdataset", reason="webdataset is not installed")
    write_tars(tmp_path / "tars", latents)
    samples = wds.WebDataset(str(tmp_path / "tars" / "latents-00000.tar"), shardshuffle=False).decode()
    check({unquote(sample["__key__"]): sample for sample in samples})


def test_the_loader_on_the_page_of_corpora_runs(latents, tmp_path):
    pytest.importorskip("webdataset", reason="webdataset is not installed")
    write_tars(tmp_path / "tars", latents)
    page = (Path(__file__).parents[3] / "docs/corpora.md").read_text(encoding="utf-8")
    source = textwrap.dedent(re.search(r"^    import webdataset as wds\n(?:    .*\n|\n)*", page, re.MULTILINE)[0])
    tars = "outputs/tars/latents-{00000..00007}.tar"
    assert tars in source
    seen = {}
    exec(source.replace(tars, str(tmp_path / "tars/latents-00000.tar")) + "    seen[clip] = z, facts", {"seen": seen})
    assert seen.keys() == CLIPS.keys()
    for name, clip in CLIPS.items():
        z, facts = seen[name]
        np.testing.assert_array_equal(z, clip.arrays["mean" if "mean" in clip.arrays else "sample"])
        assert facts["source"] == name


def test_a_folder_in_use_is_left_alone_and_an_error_leaves_nothing(latents, tmp_path):
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine").write_text("mine")
    with pytest.raises(UserError, match="used is there and not empty"):
        write_tars(tmp_path / "used", latents)
    assert [path.name for path in (tmp_path / "used").iterdir()] == ["mine"]

    def failing():
        yield latents[0]
        raise UserError("half way")

    with pytest.raises(UserError, match="half way"):
        write_tars(tmp_path / "new", failing())
    assert not [path for path in tmp_path.iterdir() if "new" in path.name]


def test_the_tool_says_what_it_wrote_and_what_is_wrong(tmp_path):
    write_latents(tmp_path / "latents" / "a.mp4.safetensors", CLIPS["a.mp4"])
    tool = Path(__file__).parents[3] / "tools" / "latents_to_tars.py"
    words = [sys.executable, tool, "--latent_folder", tmp_path / "latents", "--output_path", tmp_path / "tars"]
    done = [subprocess.run(list(map(str, words)), capture_output=True, text=True) for _ in range(2)]
    assert (done[0].returncode, done[1].returncode) == (0, 2), done
    assert "1 latents in 1 tars" in done[0].stdout and done[1].stderr.count("\n") == 1
    assert done[1].stderr.startswith("error: ") and "not empty" in done[1].stderr
