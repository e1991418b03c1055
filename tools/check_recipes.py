"""Runs every shipped recipe on this machine's CPU, at its full width, in graph mode; training recipes for two steps.

    python tools/check_recipes.py                                     # all of them; a few minutes and up to 6 GB each
    python tools/check_recipes.py tae/train/mixed_256x256x32 model.block_out_channels=[8,8,8,8] model.norm_num_groups=4

Overridden are the device (CPU), the type (float32: a CPU computes no bfloat16), the sizes (32x32, 4 frames), the clips,
the paths of weights, the number of steps, and any keys given on the command line. A recipe for several cards runs on
two CPU processes under msrun. Weights are random: the model's under the published checkpoint's names, and LPIPS's for
every recipe that has the term. The shapes of the steps are printed: the seeds of mixed_256x256x16 and
mixed_length_256x256x32 give them a video and an image, that of the other mixed recipes two videos. Each recipe has a
folder and a process of its own, forked from one that has imported everything and computed nothing, which saves start-up
time. Exit status 0 where everything ran and every loss is finite, 1 otherwise.
"""

import argparse
import importlib
import json
import math
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from mindone_tae.cli import main as command
from mindone_tae.zoo import load_recipe, recipe_names

SIZE, FRAMES = [32, 32], 4
SAMPLE_CLIPS = {"train": 3, "test": 1, "frames": 8, "size": (48, 64)}
# What the commands would import one by one.
HEAVY = (
    "mindone.utils",
    "mindone.trainers",
    "mindone_tae.models",
    "mindone_tae.losses",
    "mindone_tae.metrics",
    "mindone_tae.weights",
    "mindone_tae.data",
)


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


def words_of(name, clips, weights):
    """The command line of a recipe, without what starts Python.

    Args:
        name: the recipe's.
        clips: folder with train.csv and test.csv.
        weights: folder with tae.ckpt and lpips.safetensors, as `make_weights` fills it.
    """
    recipe, kind = load_recipe(name), kind_of(name)
    shared = ["--config", name, "--output_path", "out", "--video_folder", str(clips), *small(recipe)]
    test = str(clips / "test.csv")
    if kind == "train":
        steps = ["train.steps=2", "train.epochs=null", "train.save_every=2", "train.log_every=1"]
        if recipe.loss.get("perceptual_weight"):
            steps.append(f"loss.lpips_path={weights / 'lpips.safetensors'}")
        if recipe.model.get("pretrained"):
            steps.append(f"model.pretrained={weights / 'tae.ckpt'}")
        return ["train", *shared, "--csv_path", str(clips / "train.csv"), f"eval.dataset.csv_path={test}", *steps]
    frames = [f"--num_frames={FRAMES}", f"--image_size={SIZE[0]}"]
    return [
        "evaluate" if kind == "eval" else "encode",
        *shared,
        *frames,
        "--csv_path",
        test,
        "--ckpt_path",
        str(weights / "tae.ckpt"),
    ]


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
    folder.mkdir(parents=True)
    words = [*words_of(name, clips, weights), *changes]
    started = time.monotonic()
    with open(folder / "said.txt", "w", encoding="utf-8") as said:
        if load_recipe(name).env.distributed:
            status = on_two_ranks(words, folder, said)
        else:
            status = forked(lambda: command(words), folder, said)
    seconds = time.monotonic() - started
    if status:
        last = (folder / "said.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()[-5:]
        return {"name": name, "seconds": seconds, "told": f"status {status}: " + " / ".join(last), "good": False}
    told, good = (_of_training if kind_of(name) == "train" else _of_inference)(folder / "out")
    return {"name": name, "seconds": seconds, "told": told, "good": good}


def forked(work, folder, said):
    """Runs a function in a fork of this process.

    Args:
        work: the function; it may end the process itself.
        folder: to run it in.
        said: open file that gets what it prints.

    Returns:
        The status it ended with, negative where a signal ended it.
    """
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.chdir(folder)
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            work()
            status = 0
        except BaseException:
            traceback.print_exc()  # which leaving at once would swallow
        finally:
            sys.stdout.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def on_two_ranks(words, folder, said):
    """Runs the command on two ranks; the status it ended with. Arguments as those of `forked`."""
    # msrun starts what is called python on the PATH
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    msrun = [
        shutil.which("msrun", path=path),
        "--worker_num=2",
        "--local_worker_num=2",
        f"--master_port={_free_port()}",
        "--join=True",
        "--log_dir=ranks",
    ]
    started = [*msrun, "python", "-m", "mindone_tae", *words]
    return subprocess.run(
        started, cwd=folder, env={**os.environ, "PATH": path}, stdout=said, stderr=subprocess.STDOUT
    ).returncode


def _of_training(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    steps, evaluations = [line for line in lines if "loss" in line], [line for line in lines if "eval" in line]
    losses = [line["loss"] for line in steps]
    shapes = ", ".join("x".join(map(str, line["shape"])) for line in steps)
    measured = "".join(f", psnr {line['eval']['psnr']:.2f}" for line in evaluations)
    good = (
        len(losses) == 2
        and all(loss is not None and math.isfinite(loss) for loss in losses)
        and not any(line["refused"] for line in steps)
    )
    return f"losses {losses[0]:.5g} and {losses[1]:.5g} ({shapes}){measured}", good


def _of_inference(folder):
    result = folder / "evaluation.json"
    if result.exists():
        psnr = json.loads(result.read_text(encoding="utf-8"))["mean"]["psnr"]
        return f"psnr {psnr:.2f}", math.isfinite(psnr)
    latents = list(folder.rglob("*.safetensors"))
    return f"{len(latents)} latents", bool(latents)


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_weights(folder, changes):
    """Writes random weights of a model of the recipes' size, under the published checkpoint's names, and of LPIPS."""
    from mindone_tae import TemporalAutoencoder
    from mindone_tae.losses.lpips.network import NETWORK
    from mindone_tae.weights import save_weights

    recipe = load_recipe("tae/eval/default", [change for change in changes if change.startswith("model.")])
    tae = TemporalAutoencoder(
        **{key: value for key, value in recipe.model.items() if key not in ("name", "pretrained", "dtype")}
    )
    save_weights(
        {f"autoencoder.{parameter.name}": parameter for parameter in tae.get_parameters()}, folder / "tae.ckpt"
    )

    rng = np.random.default_rng(0)
    lpips = {}
    for name, shape in NETWORK.shapes.items():
        values = rng.standard_normal(shape, np.float32) * math.prod(shape[1:]) ** -0.5
        # weights of distances are positive
        lpips[name] = np.abs(values) if name.startswith("lin") else values
    save_file(lpips, folder / "lpips.safetensors")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="recipes; all unless given")
    options, changes = parser.parse_known_args()
    changes += [word for word in options.names if "=" in word]
    names = [word for word in options.names if "=" not in word] or recipe_names()
    for module in HEAVY:
        importlib.import_module(module)
    from mindone_tae.data import make_sample_clips

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        make_sample_clips(folder / "clips", **SAMPLE_CLIPS)
        if forked(lambda: make_weights(folder, changes), folder, sys.stderr):
            raise SystemExit("the weights cannot be made: see above")
        results = []
        for number, name in enumerate(names):
            results.append(run(name, folder / "clips", folder, folder / str(number), changes))
            print(f"{name:36}{results[-1]['seconds']:7.0f} s  {results[-1]['told']}", flush=True)
            shutil.rmtree(folder / str(number))
    failed = [result["name"] for result in results if not result["good"]]
    print(
        f"{len(results) - len(failed)} of {len(results)} recipes ran"
        + (f"; not: {', '.join(failed)}" if failed else "")
    )
    os._exit(1 if failed else 0)  # MindSpore's own teardown at times aborts a finished process


if __name__ == "__main__":
    main()
