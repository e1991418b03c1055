"""Clips a second of `mindone-tae encode` over a folder of videos, and what share that is of the network's own rate.

    python tools/benchmark/corpus.py                    # 500 clips of 16 frames of 128x128, 1 and 2 processes
    python tools/benchmark/corpus.py --clips 20 --processes 1

The folder is checked once before, as docs/corpora.md recommends; without a manifest every process opens every file at
its start. The command's rate counts its start, reading, resizing and writing. The network's own is that of as many
processes, each encoding one clip of that size from memory again and again, without a start; both with the shipped
weights, in their tiles. Several processes have cores of their own, as docs/corpora.md recommends; with --shared they
compete for all of them.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("GLOG_v", "3")

# The network alone: prints the moments at which it starts and ends. Its arguments: encodings, frames, height, width.
_NETWORK = """
import os, sys, time
import numpy as np, mindspore as ms
from mindone_tae.weights import read_model
from mindone_tae.zoo import build
ms.set_context(mode=ms.PYNATIVE_MODE)
ms.runtime.launch_blocking()  # as the command does
repeats, t, h, w = map(int, sys.argv[1:])
model = build("mindone.models", {**read_model("tiny"), "pretrained": "tiny"}).set_train(False)
x = np.random.default_rng(0).uniform(-1, 1, (1, 3, t, h, w)).astype(np.float32)
encode = lambda: list(model.encode_frames([x]))
encode()
start = time.monotonic()
for _ in range(repeats):
    encode()
sys.stdout.write(f"moments {start} {time.monotonic()}\\n")
sys.stdout.flush()
os._exit(0)
"""


def bound(words, rank, processes, shared):
    """The words of a command that keeps to this rank's share of the cores; unchanged if they are shared."""
    cores = sorted(os.sched_getaffinity(0))
    each = len(cores) // processes
    if shared or not each:
        return words
    return ["taskset", "-c", ",".join(map(str, cores[rank * each : (rank + 1) * each])), *words]


def network_rate(processes, repeats, size, shared):
    """Clips a second of the network alone, of all processes together."""
    words = [sys.executable, "-c", _NETWORK, str(repeats), *map(str, size)]
    running = [
        subprocess.Popen(
            bound(words, rank, processes, shared), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        for rank in range(processes)
    ]
    starts, ends = zip(*(map(float, one.communicate()[0].split("moments ")[1].split()) for one in running))
    return processes * repeats / (max(ends) - min(starts))


def check(videos, output):
    """The manifest of a folder, which check-data writes; and how many seconds it takes."""
    start = time.perf_counter()
    words = [sys.executable, "-m", "mindone_tae", "check-data", str(videos), "--output_path", str(output)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return output / "manifest.csv", time.perf_counter() - start


def command_rate(processes, clips, videos, manifest, size, output, shared):
    """Clips a second of the command over the folder."""
    words = [
        sys.executable,
        "-m",
        "mindone_tae",
        "encode",
        "--ckpt_path",
        "tiny",
        "--image_size",
        f"{size[1]},{size[2]}",
    ]
    words += ["--output_path", str(output), "--world", str(processes)]
    words += [f"dataset.manifest_path={manifest}", f"dataset.folder={videos}"]
    start = time.perf_counter()
    running = [
        subprocess.Popen(
            bound([*words, "--rank", str(rank)], rank, processes, shared),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for rank in range(processes)
    ]
    statuses = [one.wait() for one in running]
    seconds = time.perf_counter() - start
    written = len(list(Path(output).rglob("*.safetensors")))
    if any(statuses) or written != clips:
        raise RuntimeError(f"{processes} processes wrote {written} of {clips} latents, statuses {statuses}")
    return clips / seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=500)
    parser.add_argument("--size", type=int, nargs=3, default=(16, 128, 128), metavar=("T", "H", "W"))
    parser.add_argument("--processes", type=int, nargs="+", default=(1, 2))
    parser.add_argument("--shared", action="store_true", help="let several processes compete for the cores")
    options = parser.parse_args()
    from mindone_tae.data import make_sample_clips

    t, h, w = options.size
    with tempfile.TemporaryDirectory() as folder:
        make_sample_clips(folder, train=options.clips, test=1, frames=t, size=(h, w))
        videos = Path(folder, "train")
        manifest, seconds = check(videos, Path(folder, "checked"))
        print(f"{options.clips} clips of {t} frames of {h}x{w}; check-data took {seconds:.1f} s")
        print(f"{'processes':>9}{'encode':>10}{'network':>10}{'share':>8}")
        for processes in options.processes:
            repeats = max(options.clips // (5 * processes), 5)
            network = network_rate(processes, repeats, options.size, options.shared)
            output = Path(folder, f"latents_{processes}")
            command = command_rate(processes, options.clips, videos, manifest, options.size, output, options.shared)
            print(f"{processes:9}{command:10.2f}{network:10.2f}{command / network:8.2f}", flush=True)


if __name__ == "__main__":
    main()
