"""Runs every recipe that comes with the package on this machine's CPU, at its full width: training recipes for two steps, in graph mode.

    python tools/check_recipes.py                                     # all of them; a few minutes and up to 6 GB each
    python tools/check_recipes.py tae/train/mixed_256x256x32 model.block_out_channels=[8,8,8,8] model.norm_num_groups=4

Changed are the device (CPU), the type (float32: a CPU computes no bfloat16), the sizes (32x32, 4 frames), the clips and the number of
steps; keys that follow are changed as well. A recipe for several cards runs on two CPU processes under msrun. Weights that a recipe
names are made at random, under the published checkpoint's names. Each recipe has a process and a folder of its own. Exit status 0 where
everything ran and every loss is finite, 1 where not.
"""

import argparse
import json
import math
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mindone_tae.zoo import load_recipe, recipe_names

SIZE, FRAMES = [32, 32], 4
SAMPLE_CLIPS = {"train": 3, "test": 1, "frames": 8, "size": (48, 64)}


def kind_of(name):
    """As a recipe's folder is called: "train", "eval" or "infer"."""
    return name.split("/")[1]


def small(recipe):
    """The overrides that fit a recipe to a CPU."""
    overrides = ["env.device_target=CPU", "model.dtype=float32", f"dataset.size={SIZE}"]
    if recipe.dataset["sample_n_frames"] > FRAMES:
        overrides.append(f"dataset.sample_n_frames={FRAMES}")
    if recipe.dataset.get("mixed_lengths"):
        overrides.append(f"dataset.mixed_lengths=[{FRAMES}, {FRAMES // 2}]")
    return overrides


def words_of(kind, name, recipe, clips, weights):
    """The command line of a recipe, without what starts Python.

    Args:
        kind: by `kind_of`.
        name: the recipe's.
        recipe: a Recipe.
        clips: folder with train.csv and test.csv.
        weights: for recipes that take them on the command line.
    """
    shared = ["--config", name, "--output_path", "out", "--video_folder", str(clips), *small(recipe)]
    test = str(clips / "test.csv")
    if kind == "train":
        steps = ["train.steps=2", "train.epochs=null", "train.save_every=2"]
        return ["train", *shared, "--csv_path", str(clips / "train.csv"), f"eval.dataset.csv_path={test}", *steps]
    command = "evaluate" if kind == "eval" else "encode"
    frames = [f"--num_frames={FRAMES}", f"--image_size={SIZE[0]}"]
    return [command, *shared, *frames, "--csv_path", test, "--ckpt_path", str(weights), "env.mode=0"]


def run(name, clips, weights, folder, changes=()):
    """Runs one recipe in a process of its own.

    Args:
        name: the recipe's.
        clips, weights: as `words_of` takes them.
        folder: a new one, to run in.
        changes: further overrides.

    Returns:
        dict with name, seconds, told (what came of it, a line) and good.
    """
    recipe, kind = load_recipe(name), kind_of(name)
    folder.mkdir(parents=True)
    named = recipe.model.get("pretrained")
    if named:
        (folder / named).parent.mkdir(parents=True, exist_ok=True)
        os.link(weights, folder / named)
    start = [sys.executable]
    if recipe.env.distributed:
        # msrun starts what is called python on the PATH
        start = [shutil.which("msrun", path=_path()), "--worker_num=2", "--local_worker_num=2", f"--master_port={_free_port()}", "--join=True", "--log_dir=ranks", "python"]
    command = [*start, "-m", "mindone_tae", *words_of(kind, name, recipe, clips, weights), *changes]
    started = time.monotonic()
    done = subprocess.run(command, cwd=folder, env={**os.environ, "PATH": _path()}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    seconds = time.monotonic() - started
    if done.returncode:
        return {"name": name, "seconds": seconds, "told": f"status {done.returncode}: " + " / ".join(done.stdout.strip().splitlines()[-5:]), "good": False}
    told, good = (_of_training if kind == "train" else _of_inference)(folder / "out")
    return {"name": name, "seconds": seconds, "told": told, "good": good}


def _of_training(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    steps, evaluations = [line for line in lines if "loss" in line], [line for line in lines if "eval" in line]
    losses = [line["loss"] for line in steps]
    shapes = ", ".join("x".join(map(str, line["shape"])) for line in steps)
    measured = "".join(f", psnr {line['eval']['psnr']:.2f}" for line in evaluations)
    good = len(losses) == 2 and all(loss is not None and math.isfinite(loss) for loss in losses) and not any(line["refused"] for line in steps)
    return f"losses {losses[0]:.1f} and {losses[1]:.1f} ({shapes}){measured}", good


def _of_inference(folder):
    result = folder / "evaluation.json"
    if result.exists():
        psnr = json.loads(result.read_text(encoding="utf-8"))["mean"]["psnr"]
        return f"psnr {psnr:.2f}", math.isfinite(psnr)
    latents = list(folder.rglob("*.safetensors"))
    return f"{len(latents)} latents", bool(latents)


def _path():
    """The PATH with this Python's own programs first."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_weights(path, changes):
    """Writes random weights of a model of the recipes' size as the published checkpoint has them."""
    from mindone_tae import TemporalAutoencoder
    from mindone_tae.weights import save_weights

    recipe = load_recipe("tae/eval/default", changes)
    tae = TemporalAutoencoder(**{key: value for key, value in recipe.model.items() if key not in ("name", "pretrained", "dtype")})
    save_weights({f"autoencoder.{parameter.name}": parameter for parameter in tae.get_parameters()}, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="recipes; all unless given")
    parser.add_argument("--weights", type=Path, help=argparse.SUPPRESS)  # makes them there and ends
    options, changes = parser.parse_known_args()
    changes += [word for word in options.names if "=" in word]
    names = [word for word in options.names if "=" not in word] or recipe_names()
    if options.weights:
        make_weights(options.weights, changes)
        os._exit(0)

    from mindone_tae.data import make_sample_clips

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        make_sample_clips(folder / "clips", **SAMPLE_CLIPS)
        weights = folder / "tae.ckpt"
        if any(kind_of(name) != "train" or load_recipe(name).model.get("pretrained") for name in names):
            model_changes = [change for change in changes if change.startswith("model.")]
            subprocess.run([sys.executable, __file__, "--weights", str(weights), *model_changes], check=True, stdout=subprocess.DEVNULL)
        results = []
        for number, name in enumerate(names):
            results.append(run(name, folder / "clips", weights, folder / str(number), changes))
            print(f"{name:36}{results[-1]['seconds']:7.0f} s  {results[-1]['told']}", flush=True)
            shutil.rmtree(folder / str(number))
    failed = [result["name"] for result in results if not result["good"]]
    print(f"{len(results) - len(failed)} of {len(results)} recipes ran" + (f"; not: {', '.join(failed)}" if failed else ""))
    os._exit(1 if failed else 0)


if __name__ == "__main__":
    main()
