"""The kinds of files beside those of data, and all that the package does with one of each but run the network."""

import zlib
from argparse import Namespace
from functools import lru_cache

import numpy as np

from mindspore import nn

from mindone_tae.cli import inference
from mindone_tae.cli.mistakes import is_mistake
from mindone_tae.cli.report.curves import curves_of
from mindone_tae.cli.report.page import write_page
from mindone_tae.models.baselines.linear_code import LinearCode
from mindone_tae.weights.architecture import architecture
from mindone_tae.weights.published.conversion import open_published
from mindone_tae.weights.reading import noted_model, open_weights, our_names
from mindone_tae.zoo import build, load_recipe
from mindone_tae.zoo.protocols import build_model
from mindone_tae.zoo.run.checkpoints import Checkpoints
from mindone_tae.zoo.run.curves import read_curves
from mindone_tae.zoo.run.folder import RunFolder
from mindone_tae.zoo.run.plot import draw_curves
from mindone_tae.zoo.run.state import Trained, TrainingState
from mindone_tae.zoo.training.loop import _restore

from . import damage, damage_tensors, kinds_data, seeds
from .kinds_data import SAFETENSORS, Kind

_LARGE = 10**6


def _one_in(count, folder):
    """Whether what takes long is done with this variant; the same for the same variant."""
    return zlib.crc32(folder.name.encode()) % count == 0


def read_recipe(folder):
    """load_recipe, and the components but the data set."""
    for path in folder.glob("*.yaml"):
        recipe = load_recipe(path)
        if _one_in(3, folder):
            load_recipe(path, ["train.steps=3", ("dataset.size", 16)]).to_yaml()
        build("mindone.losses", recipe.require("loss"))
        widths = recipe.model.get("block_out_channels", ())
        if (
            recipe.model["name"] == "tae" and sum(width**2 for width in widths) < _LARGE
        ):  # what is asked for may be large
            build_model({**recipe.model, "pretrained": None})


def read_weights(folder):
    """What evaluate does before the first frame: the recipe that weights bring, the model of it, its weights loaded."""
    files = [path for path in folder.iterdir() if path.suffix in (".safetensors", ".ckpt", ".pt", ".pth", ".pkl")]
    path = folder if (folder / "config.json").exists() or len(files) != 1 else files[0]
    if path.suffix == ".pkl":
        [tensor.read() for tensor in open_published(path, "").tensors.values()]
        return
    options = Namespace(ckpt_path=str(path), config=None, enable_tile=False, overrides=["env.device_target=CPU"])
    failure = None
    if _one_in(3, folder) and path.suffix not in (".pt", ".pth"):  # those note no model, and the default one is large
        try:
            build_model(inference.load(options, [], "tae/infer/default").model)
        except Exception as error:  # all the other ways are gone as well
            failure = error
    stored = open_weights(path)
    noted = noted_model(stored)
    renamed = our_names(stored)
    [tensor.read() for tensor in stored.tensors.values()]
    architecture({name: shape for name, (_, shape) in renamed.kept.items()}, stored.config, norm_num_groups=4)
    if failure is not None and (noted or not is_mistake(failure)):  # without a note the default model is refused
        raise failure


def read_linear_code(folder):
    """The baseline, and a clip through it."""
    LinearCode(2, 4, 4, str(folder / "code.safetensors"))(np.zeros((1, 3, 4, 8, 8), np.float32))


@lru_cache(maxsize=1)
def _state():
    network, update = nn.Dense(2, 2), nn.Cell()
    for number, name in enumerate(("scale_sense", "global_step")):
        from mindspore import Parameter, Tensor

        update.insert_param_to_cell(name, Parameter(Tensor([1.0, [1]][number]), name=name))
    update.scaler = nn.Identity()  # as with a dynamic loss scale, so that a checkpoint's is restored
    return TrainingState({"model": Trained(network, update)})


def read_run(folder):
    """train --resume up to its first step, plot and the curves of a report."""
    run, recipe = RunFolder(folder), load_recipe("tae/train/tiny_64x64x8", seeds.SMALL)
    found = Checkpoints(run.checkpoints, 2, {}).latest()
    failure = None
    try:
        _restore(_state(), found, recipe, run)
    except Exception as error:
        failure = error
    facts = {"clips": 4, "ranks": 2, "versions": {"python": "3.10"}, "machine": {"host": "b"}, "first_step": found.step}
    run.start_session(recipe, facts, True)
    run.start_metrics(found.step)
    run.last_learning_rate(found.step), run.evaluations(found.step)
    curves_of(folder)
    curves = read_curves(folder)
    if _one_in(4, folder):  # a picture takes half a second
        draw_curves(folder / "curves.png", [curves])
    if failure is not None:
        raise failure


def read_report(folder):
    """The page."""
    write_page(folder / "report.html", [folder], [folder])


KINDS = [
    Kind("recipe", seeds.recipes, {".yaml": damage.of_yaml}, read_recipe, 8),
    Kind("safetensors", seeds.safetensors_weights, SAFETENSORS, read_weights, 7),
    Kind("ckpt", seeds.ckpt_weights, {".ckpt": damage_tensors.of_ckpt}, read_weights, 5),
    Kind("torch zip", seeds.torch_weights, {".pt": damage_tensors.of_torch_zip}, read_weights, 5),
    Kind("torch legacy", seeds.legacy_torch_weights, {".pth": damage.of_bytes}, read_weights, 3),
    Kind("numpy pickle", seeds.numpy_pickles, {".pkl": damage_tensors.of_pickle}, read_weights, 3),
    Kind(
        "diffusers folder",
        seeds.diffusers_folders,
        {".json": damage.of_json, ".safetensors": damage_tensors.of_safetensors},
        read_weights,
        5,
    ),
    Kind("linear code", seeds.linear_codes, SAFETENSORS, read_linear_code, 2),
    Kind(
        "run",
        seeds.runs,
        {".yaml": damage.of_yaml, ".json": damage.of_json, ".jsonl": damage.of_lines, **SAFETENSORS},
        read_run,
        6,
    ),
    Kind("report", seeds.reports, {".json": damage.of_json, ".mkv": damage.of_bytes}, read_report, 3),
]
KINDS += kinds_data.KINDS
