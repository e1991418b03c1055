"""Whole files of recipes, weights, runs and reports, as the package writes them itself; see `seeds_data` for data."""

import json
import pickle
import zipfile

import numpy as np

from mindone_tae import TemporalAutoencoder
from mindone_tae.models.baselines.linear_code import LinearCode
from mindone_tae.weights import save_weights
from mindone_tae.weights.diffusers_folder import save_diffusers_folder
from mindone_tae.zoo import load_recipe
from mindone_tae.zoo.run.checkpoints import Checkpoints
from mindone_tae.zoo.run.folder import RunFolder

WIDTHS = {"block_out_channels": [8, 8], "layers_per_block": 1, "norm_num_groups": 4, "latent_channels": 4}
SMALL = [f"model.{key}={json.dumps(value)}" for key, value in WIDTHS.items()]
_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001


def recipes(folder):
    """A recipe as a run resolves it, and one as somebody writes it."""
    recipe = load_recipe("tae/train/tiny_64x64x8", [*SMALL, "env.device_target=CPU", "env.jit_level=null"])
    (folder / "config.yaml").write_text(recipe.to_yaml())
    text = "model: {name: tae, block_out_channels: [8, 8], layers_per_block: 1, norm_num_groups: 4}\n"
    text += "dataset:\n  name: tae_video\n  folder: videos\n  size: [16, 16]\n  sample_n_frames: 8\n"
    text += "loss: {name: tae_loss}\ntrain:\n  steps: 2\n  ema_decay: 0.9\n"
    (folder / "short.yaml").write_text(text + "optimizer: {name: adamw, betas: [0.9, 0.99]}\nscheduler: {lr: 1e-4}\n")


def _tae():
    return TemporalAutoencoder(**WIDTHS)


def safetensors_weights(folder):
    """Weights with the note of their model."""
    save_weights(_tae(), folder / "w.safetensors", {"model": json.dumps({"name": "tae", **WIDTHS})})


def ckpt_weights(folder):
    """The same as MindSpore's checkpoint."""
    save_weights(_tae(), folder / "w.ckpt", {"config": json.dumps(WIDTHS)})


def _torch_pickle(arrays):
    """The program by which torch.save describes tensors, and the storages by key."""
    program = b"\x80\x02ccollections\nOrderedDict\n)R("
    for key, (name, array) in enumerate(arrays.items()):
        shape = b"".join(b"J" + side.to_bytes(4, "little") for side in array.shape)
        strides = b"".join(b"J" + (step // 4).to_bytes(4, "little") for step in array.strides)
        storage = b"(" + _text("storage") + b"ctorch\nFloatStorage\n" + _text(str(key)) + _text("cpu")
        storage += b"J" + array.size.to_bytes(4, "little") + b"tQ"
        program += _text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00("
        program += shape + b"t(" + strides + b"t\x89ccollections\nOrderedDict\n)RtR"
    return program + b"u.", {str(key): array for key, array in enumerate(arrays.values())}


def _text(text):
    return b"X" + len(text).to_bytes(4, "little") + text.encode()


def _image_vae():
    """Shapes of the smallest image VAE's first tensors: enough to be told by."""
    rng = np.random.default_rng(0)
    names = {
        "encoder.conv_in.weight": (8, 3, 3, 3),
        "encoder.down.0.block.0.conv1.weight": (8, 8, 3, 3),
        "decoder.conv_in.weight": (8, 4, 3, 3),
    }
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in names.items()}


def torch_weights(folder):
    """torch.save's file since PyTorch 1.6."""
    program, storages = _torch_pickle(_image_vae())
    with zipfile.ZipFile(folder / "w.pt", "w") as archive:
        archive.writestr("archive/data.pkl", program)
        archive.writestr("archive/byteorder", "little")
        for key, array in storages.items():
            archive.writestr(f"archive/data/{key}", array.tobytes())
        archive.writestr("archive/version", "3\n")


def legacy_torch_weights(folder):
    """torch.save's file before that."""
    program, storages = _torch_pickle(_image_vae())
    with open(folder / "w.pth", "wb") as file:
        for value in (_MAGIC, _VERSION, {"protocol_version": _VERSION, "little_endian": True}):
            pickle.dump(value, file, 2)
        file.write(program)
        pickle.dump(list(storages), file, 2)
        for array in storages.values():
            file.write(array.size.to_bytes(8, "little") + array.tobytes())


def numpy_pickles(folder):
    """Flax's parameters."""
    tree = {"params": {"conv": {"kernel": np.ones((3, 3, 2), np.float32), "bias": np.zeros(2, np.float32)}}}
    (folder / "w.pkl").write_bytes(pickle.dumps(tree, 4))


def diffusers_folders(folder):
    """A VAE in three files with their index, and its config.json."""
    config = {"_class_name": "AutoencoderKL", "act_fn": "silu", **WIDTHS, "scaling_factor": 1.5, "shift_factor": 0.1}
    save_diffusers_folder(_tae(), folder, config, max_shard_size="20KB")


def linear_codes(folder):
    """A fitted linear code."""
    rng = np.random.default_rng(0)
    LinearCode.fit([rng.standard_normal((3, 4, 8, 8)) for _ in range(9)], 2, 4, 4).save(folder / "code.safetensors")


def runs(folder):
    """A training run's folder after two checkpoints."""
    run, recipe = RunFolder(folder), load_recipe("tae/train/tiny_64x64x8", SMALL)
    facts = {"clips": 3, "ranks": 1, "versions": {"python": "3.11"}, "machine": {"host": "a"}, "first_step": 0}
    run.start_session(recipe, facts, False)
    for step in (1, 2):
        figures = {"loss": 1.0 / step, "kl": 0.1, "learning_rate": 1e-4, "gradient_norm": 1.0, "loss_scale": 1.0}
        run.append_metrics({"step": step, **figures, "shape": [1, 3, 8, 16, 16], "refused": step == 1, "seconds": 0.1})
        run.append_metrics(
            {"step": step, "eval": {"psnr": 20.0}, "baseline": {"psnr": 18.0}, "baseline_name": "average_pooling"}
        )
        weights = {"weight": np.ones((2, 2), np.float32), "bias": np.ones(2, np.float32)}
        state = {"scale_sense": np.array(1.0, np.float32)}
        saved = {"weights": weights, "ema": weights, "state": {**state, "global_step": np.int32([step])}}
        Checkpoints(run.checkpoints, 2, {"model": json.dumps(recipe.model)}).save(step, {"model": saved})


def reports(folder):
    """What reconstruct leaves for its page."""
    from mindone_tae.cli.report.recording import Recorder

    recipe = load_recipe("tae/infer/default", ["model={name: average_pooling}"])
    recorder = Recorder(folder, "reconstruct", recipe, LinearCode())
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (3, 3, 16, 16)).astype(np.float32)
    clip = recorder.clip("a.mp4", 24.0, {"size": [16, 16], "bytes": 100})
    clip.add(x, {"model": x * 0.9})
    clip.finish()
    recorder.finish()
