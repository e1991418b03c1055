"""Folders of diffusers: written atomically, read by stock code and by ours, incomplete ones refused."""

import json
import os

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import mindspore as ms
from mindone.diffusers import AutoModel

from mindone_tae import AutoencoderKLTAE, TemporalAutoencoder
from mindone_tae.models.baselines.sd3_vae import SD3VAE
from mindone_tae.weights import inflate, read_weights, save_diffusers_folder, save_weights
from mindone_tae.zoo.errors import UserError

WEIGHTS = "diffusion_pytorch_model.safetensors"
INDEX = f"{WEIGHTS}.index.json"


@pytest.fixture
def image_vae_file(tmp_path, two_levels, randomised):
    save_weights(randomised(SD3VAE(**two_levels)), tmp_path / "image.safetensors")
    return tmp_path / "image.safetensors"


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def rewrite(folder, change):
    """Puts the weights back with what change(arrays) did to them."""
    arrays = load_file(folder / WEIGHTS)
    change(arrays)
    save_file(arrays, folder / WEIGHTS, {"format": "pt"})


def network_of(face):
    """What the constructors of the face and of the TAE share and the model was not given by default."""
    return {
        name: face.config[name]
        for name in ("block_out_channels", "norm_num_groups", "layers_per_block", "latent_channels")
    }


@pytest.mark.parametrize("max_shard_size", ["10GB", "8 kB"])
def test_what_is_saved_loads_back_to_the_same_numbers_and_config(face, arrays_of, tmp_path, max_shard_size):
    face.save_pretrained(tmp_path / "vae", max_shard_size=max_shard_size)
    files = [name for name in os.listdir(tmp_path / "vae") if name.endswith(".safetensors")]
    assert len(files) > 2 if max_shard_size != "10GB" else files == [WEIGHTS]
    found, report = AutoencoderKLTAE.from_pretrained(tmp_path / "vae", output_loading_info=True)
    assert_same(arrays_of(found), arrays_of(face))
    assert not any(report.values()) and not found.training
    assert found.config.block_out_channels == [4, 8] and found.config.latent_channels == 3
    assert_same(arrays_of(TemporalAutoencoder(**network_of(found), pretrained=tmp_path / "vae")), arrays_of(face))


def test_shards_are_as_large_as_asked_and_the_index_names_each_tensor_once(face, tmp_path):
    face.save_pretrained(tmp_path, max_shard_size=8000)
    index = json.loads((tmp_path / INDEX).read_text())
    placed = {}
    for path in sorted(tmp_path.glob("*.safetensors")):
        arrays = load_file(path)
        assert sum(array.nbytes for array in arrays.values()) <= 8000
        placed.update(dict.fromkeys(arrays, path.name))
    assert placed == index["weight_map"]
    assert index["metadata"]["total_size"] == sum(parameter.asnumpy().nbytes for parameter in face.get_parameters())


@pytest.mark.parametrize("sizes", [("10GB", 8000), (8000, "10GB"), (4000, 8000)])
def test_weights_of_an_earlier_save_do_not_stay(two_levels, randomised, arrays_of, tmp_path, sizes):
    (tmp_path / "notes.txt").write_text("kept")
    for seed, size in enumerate(sizes):
        face = randomised(AutoencoderKLTAE(**two_levels), seed)
        face.save_pretrained(tmp_path, max_shard_size=size)
    assert_same(arrays_of(AutoencoderKLTAE.from_pretrained(tmp_path)), arrays_of(face))
    written = {name for name in os.listdir(tmp_path) if name.startswith("diffusion")}
    named = (
        set(json.loads((tmp_path / INDEX).read_text())["weight_map"].values()) | {INDEX}
        if sizes[1] == 8000
        else {WEIGHTS}
    )
    assert written == named and (tmp_path / "notes.txt").read_text() == "kept"


def test_where_shards_and_a_single_file_lie_together_stock_code_and_ours_read_the_same(
    face, two_levels, randomised, arrays_of, tmp_path
):
    face.save_pretrained(tmp_path, max_shard_size=8000)
    randomised(AutoencoderKLTAE(**two_levels), 1).save_pretrained(tmp_path / "other")
    (tmp_path / "other" / WEIGHTS).rename(tmp_path / WEIGHTS)
    stock, ours = AutoencoderKLTAE.from_pretrained(tmp_path), TemporalAutoencoder(**two_levels, pretrained=tmp_path)
    assert_same(arrays_of(ours), arrays_of(stock))
    assert_same(arrays_of(ours), arrays_of(face))


@pytest.mark.parametrize("max_shard_size", ["10GB", 8000])
def test_a_variant_lies_beside_the_plain_weights(two_levels, randomised, arrays_of, tmp_path, max_shard_size):
    plain, other = (randomised(AutoencoderKLTAE(**two_levels), seed) for seed in (0, 1))
    plain.save_pretrained(tmp_path, max_shard_size=max_shard_size)
    other.save_pretrained(tmp_path, max_shard_size=max_shard_size, variant="ema")
    assert_same(arrays_of(AutoencoderKLTAE.from_pretrained(tmp_path)), arrays_of(plain))
    assert_same(arrays_of(AutoencoderKLTAE.from_pretrained(tmp_path, variant="ema")), arrays_of(other))


@pytest.mark.parametrize("max_shard_size", ["10GB", 8000])
def test_a_variant_alone_in_a_folder_is_what_ours_reads(face, arrays_of, tmp_path, max_shard_size):
    face.save_pretrained(tmp_path, variant="fp16", max_shard_size=max_shard_size)
    ours = TemporalAutoencoder(**network_of(face), pretrained=str(tmp_path))
    assert_same(arrays_of(ours), arrays_of(face))


@pytest.mark.parametrize("size", ["5 bananas", "0GB", 0, -1, 2.5])
def test_a_shard_size_that_is_none_is_refused(face, tmp_path, size):
    with pytest.raises(UserError, match="max_shard_size is"):
        face.save_pretrained(tmp_path, max_shard_size=size)
    assert os.listdir(tmp_path) == []


def test_a_failure_while_saving_leaves_the_folder_as_it_was(face, folder, monkeypatch):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    replace, done = os.replace, []

    def fail_at_first(*paths):
        if not done:
            done.append(paths)
            raise OSError(28, "No space left on device")
        replace(*paths)

    monkeypatch.setattr("mindone_tae.zoo.atomic_file.os.replace", fail_at_first)
    with pytest.raises(UserError, match="No space left"):
        face.save_pretrained(folder, max_shard_size=8000)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_pickles_are_not_written(face, tmp_path):
    with pytest.raises(UserError, match="safe_serialization is False"):
        face.save_pretrained(tmp_path, safe_serialization=False)


def test_only_the_main_process_writes(face, tmp_path):
    face.save_pretrained(tmp_path / "vae", is_main_process=False)
    assert os.listdir(tmp_path) == []


def test_a_folder_that_inflation_writes_loads(tmp_path, image_vae_file, arrays_of):
    config = inflate(image_vae_file, tmp_path / "tae", norm_num_groups=2).config
    face = AutoencoderKLTAE.from_pretrained(tmp_path / "tae")
    assert face.config.block_out_channels == list(config["block_out_channels"])
    assert_same(arrays_of(face), arrays_of(TemporalAutoencoder(**config, pretrained=tmp_path / "tae")))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_weights_of_lower_precision_load_into_float32(face, folder, tmp_path, arrays_of, dtype):
    save_weights(face, tmp_path / "low.safetensors", dtype=dtype)
    low = read_weights(tmp_path / "low.safetensors")
    save_diffusers_folder(low, folder, json.loads((folder / "config.json").read_text()))
    assert_same(
        arrays_of(AutoencoderKLTAE.from_pretrained(folder)),
        {name: array.astype(np.float32) for name, array in low.items()},
    )


def test_a_type_to_compute_in_may_be_asked_for(folder, arrays_of, face):
    found = AutoencoderKLTAE.from_pretrained(folder, mindspore_dtype=ms.float16)
    assert found.dtype == ms.float16
    assert_same(arrays_of(found), arrays_of(face))


def test_missing_unexpected_and_misshapen_names_are_one_error(folder):
    def change(arrays):
        del arrays["encoder.norm_out.weight"]
        arrays["encoder.extra"] = np.zeros(3, np.float32)
        arrays["decoder.norm_out.bias"] = np.zeros(5, np.float32)

    rewrite(folder, change)
    told = (
        r"1 missing \(encoder.norm_out.gamma\); 1 unexpected \(encoder.extra\); "
        r"1 of another shape \(decoder.norm_out.beta is \(5,\)"
    )
    with pytest.raises(UserError, match=told):
        AutoencoderKLTAE.from_pretrained(folder)
    found, report = AutoencoderKLTAE.from_pretrained(folder, ignore_mismatched_sizes=True, output_loading_info=True)
    assert report["missing_keys"] == ["encoder.norm_out.gamma"] and report["unexpected_keys"] == ["encoder.extra"]
    assert report["mismatched_keys"] == ["decoder.norm_out.beta"]
    arrays = load_file(folder / WEIGHTS)
    np.testing.assert_array_equal(found.decoder.norm_out.gamma.asnumpy(), arrays["decoder.norm_out.weight"])
    np.testing.assert_array_equal(found.encoder.norm_out.gamma.asnumpy(), np.ones(8))  # as a new model has it


def test_a_name_missing_from_shards_is_an_error(face, tmp_path):
    face.save_pretrained(tmp_path, max_shard_size=8000)
    shard = sorted(tmp_path.glob("*.safetensors"))[1]
    arrays = load_file(shard)
    name, _ = arrays.popitem()
    save_file(arrays, shard, {"format": "pt"})
    with pytest.raises(UserError, match="1 missing"):
        AutoencoderKLTAE.from_pretrained(tmp_path)


def test_a_truncated_file_is_named_with_what_is_wrong(folder):
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=f"{WEIGHTS}: not a whole .safetensors file.*ends at byte"):
        AutoencoderKLTAE.from_pretrained(folder)


def test_a_pickle_without_weights_is_told(folder):
    (folder / WEIGHTS).unlink()
    (folder / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(UserError, match="diffusion_pytorch_model.bin.*torch.save"):
        AutoencoderKLTAE.from_pretrained(folder)


def test_what_is_no_folder_of_diffusers_is_stock_codes_error(tmp_path):
    with pytest.raises(OSError, match="config.json"):
        AutoencoderKLTAE.from_pretrained(tmp_path)


@pytest.mark.parametrize("library", ["mindone_tae", "mindone_tae.hosts.autoencoder_kl_tae"])
def test_auto_model_finds_it_in_a_subfolder(face, tmp_path, arrays_of, library):
    face.save_pretrained(tmp_path / "vae")
    (tmp_path / "model_index.json").write_text(
        json.dumps({"_class_name": "WanPipeline", "vae": [library, "AutoencoderKLTAE"]})
    )
    found = AutoModel.from_pretrained(tmp_path, subfolder="vae")
    assert type(found) is AutoencoderKLTAE
    assert_same(arrays_of(found), arrays_of(face))
    assert_same(arrays_of(AutoencoderKLTAE.from_pretrained(tmp_path, subfolder="vae")), arrays_of(face))


def test_a_folder_has_a_card_by_whose_lines_it_loads(face, arrays_of, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    face.save_pretrained("vae", data="drawn at random")
    card = (tmp_path / "vae/README.md").read_text()
    assert "drawn at random" in card and "| widths | 4, 8 |" in card and "Not measured" in card
    lines = card.partition("```python\n")[2].partition("```")[0].splitlines()
    assert len(lines) == 3
    namespace = {"x": ms.Tensor(np.zeros((1, 3, 3, 8, 8), np.float32))}
    exec("\n".join(lines), namespace)
    assert_same(arrays_of(namespace["vae"]), arrays_of(face))
    assert namespace["recon"].shape == (1, 3, 3, 8, 8)


@pytest.fixture
def hub(monkeypatch):
    """hub(has_a_card) takes the place of Hugging Face and gives the dict that the next upload is recorded in."""
    huggingface_hub = pytest.importorskip("huggingface_hub")

    class Created:
        repo_id = "someone/vae"

    def make(has_a_card=False):
        pushed = {}

        def upload(self, folder, repo_id, **keywords):
            pushed.update(repo_id=repo_id, files=sorted(os.listdir(folder)), **keywords)
            pushed["card"] = open(os.path.join(folder, "README.md")).read() if not has_a_card else None

        monkeypatch.setattr(huggingface_hub, "create_repo", lambda *_, **__: Created)
        monkeypatch.setattr(huggingface_hub, "file_exists", lambda *_, **__: has_a_card)
        monkeypatch.setattr(AutoencoderKLTAE, "_upload_folder", upload)
        return pushed

    return make


@pytest.mark.parametrize("has_a_card", [False, True])
def test_what_is_pushed_is_the_folder_with_a_card_unless_the_repository_has_one(face, hub, has_a_card):
    pushed = hub(has_a_card)
    face.push_to_hub("vae", commit_message="first", token="t")
    assert pushed["repo_id"] == "someone/vae" and pushed["commit_message"] == "first" and pushed["token"] == "t"
    assert pushed["files"] == [*([] if has_a_card else ["README.md"]), "config.json", WEIGHTS]
    if not has_a_card:
        assert 'AutoencoderKLTAE.from_pretrained("someone/vae")' in pushed["card"]


def test_what_is_pushed_while_saving_is_in_files_of_the_size_asked_for(face, tmp_path, hub):
    pushed = hub()
    face.save_pretrained(tmp_path / "vae", max_shard_size=8000, push_to_hub=True)
    assert pushed["files"] == sorted(os.listdir(tmp_path / "vae")) and len(pushed["files"]) > 4
