"""Checks data parallelism on this machine's CPU: two processes under msrun, half the batch each, against one process.

    python tools/two_cards.py                    # a small TAE on sample clips, four steps; some minutes
    python tools/two_cards.py train.steps=8      # any key of the recipe

Prints the loss of each step and the largest difference of a weight, of the gradient's norm and of the evaluation. Exit
status 0 where everything is equal to 1e-5 and the PSNR to 1e-3 dB, 1 where not.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

RECIPE = "tae/train/tiny_64x64x8"
STEPS = 4
SMALL = [
    *(
        "model.block_out_channels=[8,8,8,8]",
        "model.norm_num_groups=4",
        "dataset.size=[32,32]",
        "dataset.sample_n_frames=4",
    ),
    # Adam turns rounding errors of vanishing gradients into whole steps; a larger eps does not
    *("optimizer.eps=1.0e-4", f"train.steps={STEPS}", f"train.save_every={STEPS}", f"train.eval_every={STEPS}"),
]
TOLERANCE = 1e-5
PSNR_TOLERANCE = 1e-3  # dB


def train(name, folder, clips, overrides, ranks=1):
    """Trains in one process, or in several under msrun; gives the run's folder."""
    programs = Path(sys.executable).parent
    start = [sys.executable]
    if ranks > 1:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        start = [
            programs / "msrun",
            f"--worker_num={ranks}",
            f"--local_worker_num={ranks}",
            f"--master_port={port}",
            "--join=True",
            f"--log_dir={folder / name}_ranks",
            "python",
        ]
        overrides = [*overrides, "env.distributed=true"]
    data = ["--csv_path", clips / "train.csv", "--video_folder", clips, f"eval.dataset.csv_path={clips / 'test.csv'}"]
    command = [
        *start,
        "-m",
        "mindone_tae",
        "train",
        "--config",
        RECIPE,
        "--output_path",
        folder / name,
        *data,
        *overrides,
    ]
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run(
        list(map(str, command)),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\nended with status {done.returncode}:\n{done.stdout[-3000:]}")
    return folder / name


def metrics(run):
    """The training steps and the evaluations of a run."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if "loss" in line], [line for line in lines if "eval" in line]


def weights(run):
    """Name to array of a run's last checkpoint."""
    return load_file(max((run / "checkpoints").glob("step_*")) / "weights.safetensors")


def compare(one, two):
    """Prints two runs side by side; gives whether they are equal."""
    (steps, evaluations), (others, other_evaluations) = metrics(one), metrics(two)
    for a, b in zip(steps, others):
        print(
            f"  step {a['step']}   loss {a['loss']:.5f}   {b['loss']:.5f}   "
            f"gradient norm {a['gradient_norm']:.4f}   {b['gradient_norm']:.4f}"
        )
    for a, b in zip(evaluations, other_evaluations):
        print(f"  step {a['step']}   psnr {a['eval']['psnr']:.5f}   {b['eval']['psnr']:.5f}")
    first, second = weights(one), weights(two)
    weight = max(float(np.abs(first[name] - second[name]).max()) for name in first)
    pairs = [(a[key], b[key]) for a, b in zip(steps, others) for key in ("loss", "gradient_norm")]
    figure = max(abs(a - b) / abs(a) for a, b in pairs)
    psnr = max(abs(a["eval"]["psnr"] - b["eval"]["psnr"]) for a, b in zip(evaluations, other_evaluations))
    print(
        f"  largest difference: of a weight {weight:.1e}, of loss and gradient norm {figure:.1e} (relative), "
        f"of PSNR {psnr:.1e} dB"
    )
    as_many = len(steps) == len(others) and len(evaluations) == len(other_evaluations)
    return as_many and weight <= TOLERANCE and figure <= TOLERANCE and psnr <= PSNR_TOLERANCE


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    _, overrides = parser.parse_known_args()

    from mindone_tae.data import make_sample_clips

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        clips = folder / "clips"
        make_sample_clips(clips, train=5, test=3, frames=8, size=(48, 64))
        overrides = [*SMALL, *overrides]
        one = train("one", folder, clips, [*overrides, "train.batch_size=2"])
        two = train("two", folder, clips, [*overrides, "train.batch_size=1"], ranks=2)
        print("one process with the whole batch, and two processes with half the batch each", flush=True)
        equal = compare(one, two)
    print("equal" if equal else f"not equal to {TOLERANCE}, or PSNR not to {PSNR_TOLERANCE} dB")
    os._exit(0 if equal else 1)


if __name__ == "__main__":
    main()
