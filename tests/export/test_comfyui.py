"""The ComfyUI nodes of examples/comfyui, called as ComfyUI calls nodes, without ComfyUI and torch."""

import importlib.util
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from mindone_tae.export.facts import facts
from mindone_tae.export.onnx_file import onnx_model

onnx = pytest.importorskip("onnx", reason="onnx is not installed: the extra `onnx` brings it")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: the extra `onnx` brings it")

PACK = Path(__file__).parents[2] / "examples" / "comfyui"


class Tensor:
    """What the nodes use of a torch tensor."""

    def __init__(self, array):
        self.array = array

    def detach(self):
        return self

    cpu = float = detach

    def numpy(self):
        return self.array


class Host:
    """What ComfyUI does with a pack: imports the folder, checks what is connected, and calls FUNCTION."""

    def __init__(self):
        spec = importlib.util.spec_from_file_location("comfyui_tae", PACK / "__init__.py")
        self.pack = sys.modules["comfyui_tae"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.pack)

    def call(self, name, links={}, **widgets):
        """Runs a node.

        Args:
            name: of the class, in NODE_CLASS_MAPPINGS.
            links: input to (type, value), as another node gave it.
            widgets: what is set on the node; those left out have their default.

        Returns:
            (type, value) of its first result.
        """
        node = self.pack.NODE_CLASS_MAPPINGS[name]
        given = {}
        for key, (kind, *options) in node.INPUT_TYPES()["required"].items():
            if key in links:
                assert links[key][0] == kind, f"{key} takes {kind}"
                given[key] = links[key][1]
            else:
                given[key] = widgets.pop(key, options[0]["default"] if options else None)
                assert not isinstance(kind, list) or given[key] in kind
        assert not widgets and node.CATEGORY
        results = getattr(node(), node.FUNCTION)(**given)
        assert isinstance(results, tuple) and len(results) == len(node.RETURN_TYPES)
        return node.RETURN_TYPES[0], results[0]


@pytest.fixture(scope="module")
def folder(small, tmp_path_factory):
    """The files of a model of ratio 2."""
    folder = tmp_path_factory.mktemp("models") / "tae"
    folder.mkdir()
    for part in ("encoder", "decoder"):
        onnx.save(onnx_model(part, small, facts(small, "tae.ckpt", "0" * 64)), str(folder / f"{part}.onnx"))
    return folder


@pytest.fixture
def host(monkeypatch):
    torch = types.ModuleType("torch")
    torch.from_numpy = Tensor
    monkeypatch.setitem(sys.modules, "torch", torch)
    yield Host()
    for name in [name for name in sys.modules if name.startswith("comfyui_tae")]:
        del sys.modules[name]


@pytest.fixture
def tae(host, folder):
    return host.call("MindOneTAELoad", folder=str(folder), device="cpu")


def images(*shape):
    return "IMAGE", Tensor(np.random.default_rng(0).random(shape, np.float32))


def latents(*shape):
    return "LATENT", {"samples": Tensor(np.random.default_rng(0).standard_normal(shape).astype(np.float32))}


def test_a_video_is_encoded_and_decoded_to_what_the_model_gives(host, tae, small, pynative):
    pixels = images(5, 8, 6, 3)
    latent = host.call("MindOneTAEEncode", {"tae": tae, "pixels": pixels})
    x = 2 * pixels[1].array.transpose(3, 0, 1, 2)[None] - 1
    _, mean, _ = small.encode(x)
    assert np.abs(latent[1]["samples"].array - mean).max() < 2e-4
    kind, frames = host.call("MindOneTAEDecode", {"tae": tae, "samples": latent})
    recon = small.decode(mean, num_target_frames=5)
    assert kind == "IMAGE" and frames.array.dtype == np.float32
    assert np.abs(frames.array - np.clip(recon[0].transpose(1, 2, 3, 0) / 2 + 0.5, 0, 1)).max() < 2e-4


@pytest.mark.parametrize("convention", ["none", "diffusers", "mindone"])
def test_a_scaled_latent_is_what_the_package_makes_of_it_and_comes_back(host, tae, small, convention):
    pixels = {"tae": tae, "pixels": images(1, 4, 4, 3)}
    plain = host.call("MindOneTAEEncode", pixels)[1]["samples"].array
    latent = host.call("MindOneTAEEncode", pixels, convention=convention)
    expected = plain if convention == "none" else small.scale_latents(plain, convention)
    assert np.allclose(latent[1]["samples"].array, expected, atol=1e-6)
    back = host.call("MindOneTAEDecode", {"tae": tae, "samples": latent}, convention=convention)[1].array
    right = host.call("MindOneTAEDecode", {"tae": tae, "samples": ("LATENT", {"samples": Tensor(plain)})})[1].array
    assert np.abs(back - right[:1]).max() < 1e-5


@pytest.mark.parametrize("shape", [(1, 3, 5, 9, 7), (2, 3, 2, 3, 8)])
def test_tiles_blend_as_the_packages_do(host, tae, small, pynative, shape):
    """Against `enable_tiling` without shared statistics, which needs the network's inside."""
    z = latents(*shape)
    sizes = {"tile_size": 8, "overlap": 2, "temporal_size": 4, "temporal_overlap": 2}
    frames = host.call("MindOneTAEDecodeTiled", {"tae": tae, "samples": z}, **sizes)[1].array
    side = {f"tile_sample_{what}_{axis}": n for axis in ("height", "width") for what, n in (("min", 8), ("stride", 6))}
    small.enable_tiling(**side, tile_sample_min_num_frames=4, tile_sample_stride_num_frames=2, share_statistics=False)
    try:
        recon = small.decode(z[1]["samples"].array)
    finally:
        small.disable_tiling()
    expected = np.clip(recon.transpose(0, 2, 3, 4, 1) / 2 + 0.5, 0, 1).reshape(frames.shape)
    assert np.abs(frames - expected).max() < 2e-4
    whole = host.call("MindOneTAEDecode", {"tae": tae, "samples": z})[1].array
    assert whole.shape == frames.shape and np.abs(whole - frames).max() > 1e-3  # tiles did take part


@pytest.mark.parametrize("length", [1, 4, 5, 6, 9, 12, 13])
@pytest.mark.parametrize("overlap", [0, 1, 3])
def test_tiles_of_a_decoder_that_sees_no_further_than_a_position_are_the_whole(host, length, overlap):
    z = np.random.default_rng(0).standard_normal((1, 2, length, length + 2, 3)).astype(np.float32)

    def repeated(x):
        assert max(x.shape[2:]) <= 4
        return x.repeat(8, 2).repeat(8, 3).repeat(8, 4)

    tiles = sys.modules["comfyui_tae.tiles"]
    found = tiles.tiled(repeated, z, (32, 32, 32), (8 * overlap,) * 3, (8, 8, 8))
    assert np.allclose(found, z.repeat(8, 2).repeat(8, 3).repeat(8, 4), atol=1e-6)


def test_sides_are_cut_at_both_ends_and_alpha_is_left_out(host, tae):
    pixels = images(2, 5, 7, 4)
    latent = host.call("MindOneTAEEncode", {"tae": tae, "pixels": pixels})
    cut = "IMAGE", Tensor(pixels[1].array[:, :4, :6, :3])
    assert np.array_equal(
        latent[1]["samples"].array, host.call("MindOneTAEEncode", {"tae": tae, "pixels": cut})[1]["samples"].array
    )


def test_a_latent_that_was_cut_in_time_gives_the_frames_it_holds(host, tae):
    kind, latent = host.call("MindOneTAEEncode", {"tae": tae, "pixels": images(5, 4, 4, 3)})
    cut = kind, {**latent, "samples": Tensor(latent["samples"].array[:, :, :2])}
    assert len(host.call("MindOneTAEDecode", {"tae": tae, "samples": cut})[1].array) == 4


def test_a_folder_is_looked_up_among_comfyuis_models(host, folder, monkeypatch):
    paths = types.ModuleType("folder_paths")
    paths.models_dir = str(folder.parent)
    monkeypatch.setitem(sys.modules, "folder_paths", paths)
    assert host.call("MindOneTAELoad", folder="tae")[1].folder == folder


@pytest.mark.parametrize(
    "name, samples, widgets, remedy",
    [
        ("MindOneTAEDecode", latents(1, 4, 1, 2, 2), {}, "this TAE's are"),
        ("MindOneTAEDecode", latents(1, 3, 1, 2, 2), {"num_frames": 9}, "ask for 0 to 2"),
        ("MindOneTAEDecodeTiled", latents(1, 3, 1, 2, 2), {"tile_size": 8, "overlap": 8}, "smaller overlap"),
    ],
)
def test_what_does_not_fit_is_said(host, tae, name, samples, widgets, remedy):
    with pytest.raises(ValueError, match=remedy):
        host.call(name, {"tae": tae, "samples": samples}, **widgets)


def test_a_folder_without_files_is_said(host, tmp_path):
    with pytest.raises(ValueError, match="mindone-tae export --format onnx"):
        host.call("MindOneTAELoad", folder=str(tmp_path))


def test_the_pack_imports_neither_mindspore_nor_torch_nor_the_package(tmp_path):
    (tmp_path / "tae_nodes").symlink_to(PACK)
    code = "import sys, tae_nodes; sys.exit(any(m in sys.modules for m in ('mindspore', 'torch', 'mindone_tae')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0
