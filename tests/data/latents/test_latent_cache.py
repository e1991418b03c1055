"""A cache of latents: it resumes after a kill at any moment, and names in its files cannot lead out of its folder."""

import json
import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from mindone_tae.data import LatentClip
from mindone_tae.data.latents.cache import LatentFiles, why_to_encode
from mindone_tae.data.latents.folder import find_latents, latent_paths
from mindone_tae.data.latents.shard_cache import LatentShards
from mindone_tae.zoo.errors import UserError

MODEL = {"name": "tae", "sha256": "ab", "pretrained": "a.ckpt", "settings": {"use_tile": False}}
NAMES = [f"{'ab'[i % 2]}/{i}.mp4" for i in range(9)]
CLIP_BYTES = 2 * 4 * 2 * 3 * 3 * 4


def clip_of(name, **facts):
    rng = np.random.default_rng(list(name.encode()))
    mean, logvar = rng.standard_normal((2, 4, 2, 3, 3), dtype=np.float32)
    return replace(LatentClip(mean, logvar, 9, 8.0, (24, 24), name, model=MODEL, source_state=(5, 6)), **facts)


def make(folder, form, rank=0, ranks=1):
    return (
        LatentFiles(Path(folder), rank, ranks)
        if form == "files"
        else LatentShards(Path(folder), 3 * CLIP_BYTES, rank, ranks)
    )


def fill(folder, form, rank=0, ranks=1, names=NAMES):
    """Writes what is missing; gives the names of what it wrote."""
    cache = make(folder, form, rank, ranks)
    todo = [name for name in names if cache.mine(name) and name not in cache.latents]
    for name in todo:
        cache.write(name, clip_of(name))
    cache.finish()
    return todo


def content(folder):
    """Every file, hidden ones but the lock included: bytes by path."""
    return {
        path.relative_to(folder): path.read_bytes()
        for path in Path(folder).rglob("*")
        if path.is_file() and path.name != ".index.lock"
    }


KILLED = """
import os, signal, sys
sys.path[:0] = [{tests!r}]
from test_latent_cache import fill
from mindone_tae.data.latents import clip_file, shards
from mindone_tae.zoo import atomic_file

calls = 0
def dying(original, half):
    def call(*arguments):
        global calls
        calls += 1
        if calls == {at}:
            if half:
                original(*arguments)
                os.truncate(arguments[0], os.path.getsize(arguments[0]) // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments)
    return call

atomic_file.os = type("os", (), {{**vars(os), "replace": staticmethod(dying(os.replace, False))}})
for module in (clip_file, shards):
    module.write_safetensors = dying(module.write_safetensors, True)
fill({folder!r}, {form!r})
"""


@pytest.mark.parametrize("form", ["files", "shards"])
def test_a_cache_killed_while_it_is_written_ends_like_one_that_was_not(tmp_path, form):
    assert fill(tmp_path / "whole", form) == NAMES
    for at in (3, 2, 4):  # in the middle of a file's bytes, or before it is moved into place
        code = KILLED.format(tests=str(Path(__file__).parent), at=at, folder=str(tmp_path / "killed"), form=form)
        assert subprocess.run([sys.executable, "-c", code]).returncode == -9
        for path in latent_paths(tmp_path / "killed"):
            safe_open(path, "numpy")  # a half file would be refused
    before = content(tmp_path / "killed")
    assert [path for path in before if ".tmp" in path.name], "the kills left no half file, so nothing was tried"
    left = fill(tmp_path / "killed", form)
    assert 0 < len(left) < len(NAMES)
    assert content(tmp_path / "killed") == content(tmp_path / "whole")


@pytest.mark.parametrize("form", ["files", "shards"])
def test_processes_share_the_work_and_none_writes_what_is_anothers(tmp_path, form):
    written = [fill(tmp_path, form, rank, 3) for rank in (1, 0, 2)]
    assert sorted(sum(written, [])) == sorted(NAMES) and all(written)
    for rank, names in zip((1, 0, 2), written):  # which no two of them could give one of their files
        shards = {
            int(re.search(r"latents-(\d+)", latent.where)[1])
            for latent in find_latents(tmp_path)[0]
            if latent.name in names and form == "shards"
        }
        assert {number % 3 for number in shards} <= {rank}
    assert fill(tmp_path, form) == [] == fill(tmp_path, form, 1, 2)
    latents, problems = find_latents(tmp_path)
    assert [latent.name for latent in latents] == sorted(NAMES) and not problems
    for latent in latents:
        np.testing.assert_array_equal(latent.read().mean, clip_of(latent.name).mean)


def test_a_running_process_keeps_the_half_files_of_others_and_sweeps_its_own(tmp_path):
    fill(tmp_path, "files")
    halves = [tmp_path / f"{name.replace('/', '/.')}.123.tmp.safetensors" for name in NAMES]
    for half in halves:
        half.write_bytes(b"half")
    cache = make(tmp_path, "files", rank=1, ranks=2)
    assert {half.exists() for half, name in zip(halves, NAMES) if cache.mine(name)} == {False}
    assert {half.exists() for half, name in zip(halves, NAMES) if not cache.mine(name)} == {True}
    assert len(find_latents(tmp_path)[0]) == len(NAMES)


def test_the_index_leads_the_safetensors_library_to_the_numbers(tmp_path):
    fill(tmp_path, "shards")
    index = json.loads((tmp_path / "index.json").read_text())["clips"]
    assert sorted(index) == sorted(NAMES) and len({entry["shard"] for entry in index.values()}) == 3
    for name, entry in index.items():
        with safe_open(tmp_path / entry["shard"], "numpy") as file:
            for kind in ("mean", "logvar"):
                np.testing.assert_array_equal(file.get_tensor(entry["tensors"][kind]), getattr(clip_of(name), kind))
            assert json.loads(file.metadata()[f"{name}/facts"])["frames"] == 9


def test_a_clip_encoded_again_stays_in_its_shard_and_the_others_stay_as_they_are(tmp_path):
    fill(tmp_path, "shards")
    before = content(tmp_path)
    cache = make(tmp_path, "shards")
    cache.write(NAMES[4], clip_of(NAMES[4], frames=10))
    cache.finish()
    after = content(tmp_path)
    assert {path.name for path in after if after[path] != before[path]} == {"latents-00001.safetensors"} and set(
        after
    ) == set(before)
    latents = {latent.name: latent for latent in find_latents(tmp_path)[0]}
    assert {name for name in NAMES if latents[name].facts["frames"] == 10} == {NAMES[4]}


def test_damaged_files_are_written_again(tmp_path):
    for form in ("files", "shards"):
        folder = tmp_path / form
        fill(folder, form)
        whole = content(folder)
        victim = sorted(folder.rglob("*.safetensors"))[1]
        victim.write_bytes(victim.read_bytes()[:-5])
        cache = make(folder, form)
        lost = cache.damaged or {name for name in NAMES if name not in cache.latents}
        assert len(lost) == {"files": 1, "shards": 3}[form]
        for name in sorted(lost, key=NAMES.index):
            cache.write(name, clip_of(name))
        cache.finish()
        assert content(folder) == whole


@pytest.mark.parametrize(("first", "second"), [("files", "shards"), ("shards", "files")])
def test_the_two_forms_do_not_mix_in_one_folder(tmp_path, first, second):
    fill(tmp_path, first)
    with pytest.raises(UserError, match="--shard_size_mb"):
        make(tmp_path, second)


def test_a_latent_is_stale_when_its_source_its_checkpoint_or_a_setting_changed(tmp_path):
    fill(tmp_path, "files", names=NAMES[:1])
    (held,) = find_latents(tmp_path)[0]
    expected = {
        "model": MODEL,
        "source_state": (5, 6),
        "frames": 9,
        "fps": 8.0,
        "size": (24, 24),
        "scaling_convention": "none",
        "seed": None,
    }
    assert why_to_encode(None, expected) == "missing"
    assert why_to_encode(held, expected) is None
    assert why_to_encode(held, {**expected, "model": {**MODEL, "pretrained": "moved/a.ckpt"}}) is None
    assert why_to_encode(held, {**expected, "model": {**MODEL, "sha256": "cd"}}) == "other checkpoint"
    assert why_to_encode(held, {**expected, "model": {**MODEL, "settings": {"use_tile": True}}}) == "other settings"
    assert why_to_encode(held, {**expected, "source_state": (5, 7)}) == "source changed"
    for setting in (
        {"frames": 8},
        {"size": (24, 32)},
        {"crop": (0, 0, 1, 1)},
        {"scaling_convention": "mindone"},
        {"seed": 42},
    ):
        assert why_to_encode(held, {**expected, **setting}) == "other settings"


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda index: index["clips"].update({"../../x.mp4": index["clips"][NAMES[0]]}), r"a clip '\.\./\.\./x\.mp4'"),
        (lambda index: index["clips"].update({"/tmp/x.mp4": index["clips"][NAMES[0]]}), "a clip '/tmp/x.mp4'"),
        (
            lambda index: index["clips"][NAMES[0]].update(shard="../elsewhere/latents-00000.safetensors"),
            "shards lie beside it",
        ),
        (lambda index: index["clips"][NAMES[0]].update(shard="/tmp/latents-00000.safetensors"), "shards lie beside it"),
        (lambda index: index["clips"][NAMES[0]].update(shard=["latents-00000.safetensors"]), "shards lie beside it"),
        (lambda index: index["clips"].update({NAMES[0]: "latents-00000.safetensors"}), "is no index of latents"),
        (lambda index: index.update(format="pickle"), "has the format 'pickle'"),
        (lambda index: index.clear(), "is no index of latents"),
    ],
)
def test_an_index_that_leads_elsewhere_is_refused(tmp_path, spoil, complaint):
    fill(tmp_path / "cache", "shards")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "cache/latents-00000.safetensors").rename(tmp_path / "elsewhere/latents-00000.safetensors")
    index = json.loads((tmp_path / "cache/index.json").read_text())
    spoil(index)
    (tmp_path / "cache/index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=complaint):
        find_latents(tmp_path / "cache")


@pytest.mark.parametrize("name", ["../../x.mp4", "/tmp/x.mp4", "a/../../../x.mp4"])
def test_a_shard_that_names_a_clip_outside_is_refused(tmp_path, name):
    fill(tmp_path, "shards")
    shard = tmp_path / "latents-00000.safetensors"
    raw = shard.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    text = json.dumps(json.loads(raw[8 : 8 + length].replace(NAMES[0].encode(), name.encode()))).encode()
    shard.write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + length :])
    latents, problems = find_latents(tmp_path)
    assert len(latents) == 6 and len(problems) == 1 and f"names a clip '{name}'" in problems[0][1]


def gigantic(side, bytes_said):
    tensor = {"dtype": "F32", "shape": [side] * 4, "data_offsets": [0, bytes_said]}
    text = json.dumps({"__metadata__": {"format": "mindone_tae latents 1"}, "mean": tensor, "logvar": tensor}).encode()
    return len(text).to_bytes(8, "little") + text + bytes(64)


def zipped_pickle(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"cos\nsystem\n(S'touch pwned'\ntR.")


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(gigantic(10**6, 4 * 10**24)),
        lambda path: path.write_bytes(gigantic(10**6, 64)),
        lambda path: path.write_bytes((2**62).to_bytes(8, "little") + b"{}"),
        lambda path: path.write_bytes((10**9).to_bytes(8, "little") + b"{" * 1000),
        zipped_pickle,
    ],
)
def test_gigantic_shapes_and_pickles_are_one_error_each_and_cost_no_memory(tmp_path, monkeypatch, write):
    import tracemalloc

    monkeypatch.chdir(tmp_path)
    (tmp_path / "cache").mkdir()
    write(tmp_path / "cache/a.mp4.safetensors")
    tracemalloc.start()
    latents, problems = find_latents(tmp_path / "cache")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (
        not latents
        and len(problems) == 1
        and "cannot be read as a latent" in problems[0][1]
        and len(problems[0][1].splitlines()) == 1
    )
    assert peak < 2**20 and not (tmp_path / "pwned").exists()
    assert make("cache", "files").damaged == {"a.mp4"}
