"""Paths of weights: file, folder, training run, repository."""

import json

import numpy as np
import pytest
from torch_files import pickled, whole, write_zip

from mindone_tae.weights import read_metadata, read_weights, save_weights
from mindone_tae.zoo.errors import UserError


def put(path, value, **metadata):
    """A file of one tensor, x, holding this number."""
    save_weights({"x": np.full(1, value, np.float32)}, path, metadata)


def torch_file(torch, path, arrays):
    """As torch.save writes one, without torch."""
    write_zip(
        path, *pickled(torch, {name: whole(array, str(number)) for number, (name, array) in enumerate(arrays.items())})
    )


def value_of(path, **keywords):
    return float(read_weights(path, **keywords)["x"][0])


@pytest.fixture
def run(tmp_path):
    """A training run's folder: step 200, and 300 with averaged weights, which is the latest."""
    folder = tmp_path / "run"
    put(folder / "checkpoints/step_00000200/weights.safetensors", 2)
    put(folder / "checkpoints/step_00000300/weights.safetensors", 3)
    put(folder / "checkpoints/step_00000300/ema.safetensors", 3.5)
    put(folder / "checkpoints/.step_00000400.17.tmp/weights.safetensors", 4)  # as a kill while saving leaves it
    return folder


def without_ema(run):
    (run / "checkpoints/step_00000300/ema.safetensors").unlink()


@pytest.mark.parametrize("inside", ["", "checkpoints", "checkpoints/step_00000300"])
@pytest.mark.parametrize(("ema", "expected"), [(None, 3.5), (True, 3.5), (False, 3)])
def test_of_a_run_the_latest_weights_are_read_averaged_unless_said_otherwise(run, inside, ema, expected):
    assert value_of(run / inside, ema=ema) == expected


@pytest.mark.parametrize("ema", [None, False])
def test_a_run_without_averaged_weights_gives_the_plain_ones(run, ema):
    without_ema(run)
    assert value_of(run, ema=ema) == 3


def test_averaged_weights_that_a_run_has_not_are_an_error(run):
    without_ema(run)
    with pytest.raises(UserError, match=r"run: the run kept no averaged weights \(ema=True\)"):
        read_weights(run, ema=True)


def test_a_runs_file_is_itself_and_its_averaged_twin_only_when_asked_for(run):
    file = run / "checkpoints/step_00000300/weights.safetensors"
    assert [value_of(file), value_of(file, ema=False), value_of(file, ema=True)] == [3, 3, 3.5]
    with pytest.raises(UserError, match="no averaged weights"):
        read_weights(run / "checkpoints/step_00000200/weights.safetensors", ema=True)


def test_a_checkpoint_without_its_weights_is_named(run):
    (run / "checkpoints/step_00000400").mkdir()
    with pytest.raises(UserError, match="step_00000400: it holds no weights.safetensors"):
        read_weights(run)


def diffusers_folder(folder, shards):
    """A folder as diffusers writes it: one tensor a shard, or all in one file."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    if shards == 1:
        save_weights(
            {"x": np.zeros(1, np.float32), "y": np.ones(1, np.float32)}, folder / "diffusion_pytorch_model.safetensors"
        )
        return folder
    names = [f"diffusion_pytorch_model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    for value, (tensor, name) in enumerate(zip("xy", names)):
        save_weights({tensor: np.full(1, value, np.float32)}, folder / name)
    index = {"metadata": {}, "weight_map": dict(zip("xy", names))}
    (folder / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    return folder


@pytest.mark.parametrize("shards", [1, 2])
@pytest.mark.parametrize("inside", ["", "vae"])
def test_a_diffusers_folder_or_a_pipelines_is_read_whole(tmp_path, shards, inside):
    diffusers_folder(tmp_path / "model" / inside, shards)
    found = read_weights(tmp_path / "model")
    assert {name: array.tolist() for name, array in found.items()} == {"x": [0], "y": [1]}


def test_an_index_stands_for_its_shards(tmp_path):
    folder = diffusers_folder(tmp_path / "model", 2)
    assert read_weights(folder / "diffusion_pytorch_model.safetensors.index.json").keys() == {"x", "y"}


def test_a_missing_shard_is_named(tmp_path):
    folder = diffusers_folder(tmp_path / "model", 2)
    (folder / "diffusion_pytorch_model-00002-of-00002.safetensors").unlink()
    with pytest.raises(
        UserError,
        match="index.json: of the files it names, diffusion_pytorch_model-00002-of-00002.safetensors cannot be found",
    ):
        read_weights(folder)


@pytest.mark.parametrize(
    "index",
    ["[]", "{}", '{"weight_map": {}}', '{"weight_map": {"x": "../elsewhere.safetensors"}}', '{"weight_map": {"x": 3}}'],
)
def test_a_broken_index_is_named_and_leads_nowhere_else(tmp_path, index):
    put(tmp_path / "elsewhere.safetensors", 1)
    folder = diffusers_folder(tmp_path / "model", 2)
    (folder / "diffusion_pytorch_model.safetensors.index.json").write_text(index)
    with pytest.raises(UserError, match="index.json: "):
        read_weights(folder)


def test_an_index_that_names_no_files_says_so(tmp_path):
    folder = diffusers_folder(tmp_path / "model", 2)
    (folder / "diffusion_pytorch_model.safetensors.index.json").write_text('{"weight_map": {}}')
    with pytest.raises(UserError, match="index.json: it names no files: download it again"):
        read_weights(folder)


def test_a_variant_in_half_precision_is_found_where_it_is_the_only_one(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    put(tmp_path / "diffusion_pytorch_model.fp16.safetensors", 4)
    assert value_of(tmp_path) == 4


@pytest.mark.parametrize("path", ["", "diffusion_pytorch_model.safetensors.index.fp16.json"])
def test_shards_of_a_variant_are_read_where_it_is_the_only_one_or_its_index_is_given(tmp_path, path):
    folder = diffusers_folder(tmp_path / "model", 2)
    for name in [file.name for file in folder.glob("*-of-00002.safetensors")]:
        (folder / name).rename(folder / name.replace("_model-", "_model.fp16-"))
    index = folder / "diffusion_pytorch_model.safetensors.index.json"
    (folder / "diffusion_pytorch_model.safetensors.index.fp16.json").write_text(
        index.read_text().replace("_model-", "_model.fp16-")
    )
    index.unlink()
    if path:
        put(folder / "diffusion_pytorch_model.safetensors", 4)
    assert read_weights(folder / path).keys() == {"x", "y"}


@pytest.mark.parametrize("name", ["anything.safetensors", "anything.ckpt"])
def test_a_folder_with_one_checkpoint_stands_for_it(tmp_path, name):
    put(tmp_path / name, 5, note="here")
    (tmp_path / "readme.txt").write_text("")
    assert value_of(tmp_path) == 5 and read_metadata(str(tmp_path)) == {"note": "here"}


def test_a_folder_with_two_is_ambiguous_and_says_which(tmp_path):
    put(tmp_path / "a.safetensors", 1)
    put(tmp_path / "b.ckpt", 1)
    with pytest.raises(UserError, match=r"it holds 2 checkpoints \(a.safetensors, b.ckpt\)"):
        read_weights(tmp_path)


def test_averaged_weights_of_a_folder_that_has_none_are_an_error(tmp_path):
    put(tmp_path / "a.safetensors", 1)
    with pytest.raises(UserError, match="no averaged weights"):
        read_weights(tmp_path, ema=True)


def test_an_empty_folder_says_so(tmp_path):
    with pytest.raises(UserError, match=r"it holds no \.safetensors, .* or \.pth file"):
        read_weights(tmp_path)


@pytest.mark.parametrize(
    "name", ["a.safetensors", "runs/a.ckpt", "./runs/first", "/nowhere/at/all", "../a/b", "~nosuchuser/x"]
)
def test_a_path_that_is_not_there_is_no_repository(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mindone_tae.weights.finding.download", None)
    with pytest.raises(UserError, match="no such file or folder"):
        read_weights(name)


@pytest.mark.parametrize("name", ["w.bin", "w.pt", "w.pth", "w.ckpt", "diffusion_pytorch_model.bin"])
@pytest.mark.parametrize("in_folder", [False, True])
def test_pytorchs_own_files_are_read_under_any_of_their_names(tmp_path, fake_torch, name, in_folder):
    torch_file(fake_torch, tmp_path / name, {"x": np.full(1, 4, np.float32)})
    assert value_of(tmp_path if in_folder else tmp_path / name) == 4


@pytest.mark.parametrize("name", ["w.bin", "w.pt", "w.ckpt", "w.safetensors"])
def test_of_a_pickle_that_would_run_code_nothing_is_run(tmp_path, name):
    path, mark = tmp_path / name, tmp_path / "was_run"
    path.write_bytes(
        b"\x80\x02cposix\nsystem\nX%c\x00\x00\x00touch %s\x85R." % (len(str(mark)) + 6, str(mark).encode())
    )
    with pytest.raises(UserError, match=rf"{name}: .*(posix.system|rename it)"):
        read_weights(path)
    assert not mark.exists()


def test_safetensors_come_before_what_may_be_an_optimizers(tmp_path, fake_torch):
    put(tmp_path / "tae.safetensors", 1)
    torch_file(fake_torch, tmp_path / "optimizer.bin", {"x": np.full(1, 2, np.float32)})
    assert value_of(tmp_path) == 1


def test_shards_of_pytorchs_own_files_are_joined(tmp_path, fake_torch):
    for name in ("x", "y"):
        torch_file(fake_torch, tmp_path / f"diffusion_pytorch_model-{name}.bin", {name: np.ones(1, np.float32)})
    index = {"weight_map": {name: f"diffusion_pytorch_model-{name}.bin" for name in ("x", "y")}}
    (tmp_path / "diffusion_pytorch_model.bin.index.json").write_text(json.dumps(index))
    assert read_weights(tmp_path).keys() == {"x", "y"}


@pytest.mark.parametrize(
    ("name", "ending"), [("notes.txt", r"'\.txt'"), ("notes.pkl", r"'\.pkl'"), ("notes", "none of these")]
)
def test_another_kind_of_file_is_refused(tmp_path, name, ending):
    (tmp_path / name).write_text("hello")
    with pytest.raises(UserError, match=rf"weights are \.safetensors, .* files, and this ends in {ending}:"):
        read_weights(tmp_path / name)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of Hugging Face, and no network: cache("org/name") makes a repository's folder in it."""
    hub = pytest.importorskip("huggingface_hub")
    download = hub.snapshot_download

    def offline(repository, local_files_only=False, **keywords):
        if not local_files_only:
            raise ConnectionError("Network is unreachable")
        return download(repository, local_files_only=True, cache_dir=tmp_path / "hub", **keywords)

    monkeypatch.setattr(hub, "snapshot_download", offline)
    monkeypatch.chdir(tmp_path)

    def make(repository):
        folder = tmp_path / "hub" / f"models--{repository.replace('/', '--')}"
        (folder / "refs").mkdir(parents=True)
        (folder / "refs" / "main").write_text("0" * 40)
        return folder / "snapshots" / ("0" * 40)

    return make


@pytest.mark.parametrize("shards", [1, 2])
@pytest.mark.parametrize(
    ("inside", "name"), [("", "org/name"), ("vae", "org/name"), ("vae", "org/name/vae"), ("tae", "org/name/tae")]
)
def test_a_cached_repository_is_read_without_a_network(cache, shards, inside, name):
    diffusers_folder(cache("org/name") / inside, shards)
    assert read_weights(name).keys() == {"x", "y"}


def test_a_cached_repository_of_one_checkpoint_is_read(cache):
    put(cache("org/name") / "tae.ckpt", 6)
    assert value_of("org/name") == 6


def test_a_repository_that_cannot_be_reached_is_an_error_in_one_line(cache):
    with pytest.raises(
        UserError,
        match=r"org/name: no such file or folder, and as a repository .*neither cached nor reachable "
        r".*Network is unreachable",
    ) as caught:
        read_weights("org/name")
    assert "\n" not in str(caught.value)


def test_a_local_folder_of_the_same_name_comes_first(cache, tmp_path):
    put(cache("org/name") / "tae.ckpt", 6)
    put(tmp_path / "org" / "name" / "tae.ckpt", 7)
    assert value_of("org/name") == 7


def test_without_huggingface_hub_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(UserError, match="pip install huggingface_hub"):
        read_weights("org/name")


@pytest.fixture
def reachable(tmp_path, monkeypatch):
    """reachable(files) is an uncached repository on the network with these files and no diffusers folder."""
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "snapshot").mkdir()

    def snapshot(repository, local_files_only=False, **keywords):
        if local_files_only:
            raise FileNotFoundError("not cached")
        return str(tmp_path / "snapshot")

    def make(files):
        monkeypatch.setattr(hub, "snapshot_download", snapshot)
        monkeypatch.setattr(hub, "list_repo_files", lambda repository: files)
        monkeypatch.setattr(hub, "hf_hub_download", lambda repository, name: str(tmp_path / "downloaded" / name))

    return make


def test_a_repositorys_only_checkpoint_is_fetched_whatever_its_name(reachable, tmp_path):
    reachable(["README.md", "tae.ckpt", "transformer/huge.safetensors"])
    put(tmp_path / "downloaded" / "tae.ckpt", 8)
    assert value_of("org/name") == 8


def test_a_repository_of_several_checkpoints_is_ambiguous_and_says_which(reachable):
    reachable(["a.safetensors", "b.safetensors"])
    with pytest.raises(
        UserError, match="org/name: one .* must be in its folder /, and there are a.safetensors, b.safetensors"
    ):
        read_weights("org/name")
