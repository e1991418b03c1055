"""Peak memory of a reconstruction against the length of the video: as a stream of chunks, and all at once.

    python tools/benchmark/memory_curve.py                     # a table; docs/memory_curve.png with --picture
    python tools/benchmark/memory_curve.py --widths 128,256,512,512 --ways stream

Encodes and decodes 64, 128, 256 and 512 frames of 64x64 in float32, each in a process of its own, and takes the
process's peak resident memory (VmHWM). `idle` is the memory of MindSpore, the model and one short pass before. Frames
are generated on demand and dropped at once, as by a reader and a writer. Lengths whose whole pass would not fit into
memory are left out.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from worker import peak_bytes

os.environ.setdefault("GLOG_v", "3")

FRAMES = (64, 128, 256, 512)
SIDE, CHUNK_FRAMES = 64, 16
WAYS = {"stream": "reconstruct_frames", "whole": "reconstruct"}
COLOURS = {"stream": "#2166ac", "whole": "#d6604d"}


def available_gb():
    """Memory that is free or can be freed, in GB."""
    with open("/proc/meminfo", encoding="ascii") as memory:
        return next(int(line.split()[1]) * 1024 for line in memory if line.startswith("MemAvailable")) / 1e9


def run(widths, way, frames):
    """Reconstructs in this process and writes its peaks to stdout."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever MindSpore prints goes to stderr, the answer alone to stdout
    import numpy as np

    import mindspore as ms

    from mindone_tae import TemporalAutoencoder

    ms.set_context(mode=ms.PYNATIVE_MODE, device_target="CPU")
    groups = min(32, widths[0] // 2)
    model = TemporalAutoencoder(block_out_channels=widths, norm_num_groups=groups, sample_deterministic=True).set_train(
        False
    )
    rng = np.random.default_rng(0)

    def chunk(t):
        return rng.uniform(-1, 1, (1, 3, t, SIDE, SIDE)).astype(np.float32)

    model.reconstruct(ms.Tensor(chunk(1)))
    idle = peak_bytes() / 1e9
    if way == "stream":
        given = sum(
            recon.shape[2]
            for _, recon in model.reconstruct_frames(chunk(CHUNK_FRAMES) for _ in range(frames // CHUNK_FRAMES))
        )
    else:
        given = model.reconstruct(ms.Tensor(chunk(frames))).asnumpy().shape[2]
    answers.write(json.dumps({"idle_gb": idle, "peak_gb": peak_bytes() / 1e9, "frames": given}) + "\n")
    answers.flush()
    os._exit(0)  # MindSpore's own teardown at times aborts a finished process on a CPU


def measure(widths, ways, lengths):
    """Peaks of each way and length.

    Returns:
        Dict of way to dict of frames to {"idle_gb", "peak_gb"}.
    """
    from mindone_tae.models.tiling.memory import activation_bytes

    found = {way: {} for way in ways}
    print(
        f"widths {','.join(map(str, widths))}, {SIDE}x{SIDE}\n"
        f"{'':8}{'frames':>8}{'idle GB':>9}{'peak GB':>9}{'of 64 frames':>14}{'less idle':>11}"
    )
    for way in ways:
        for frames in lengths:
            needed = max(activation_bytes(part, widths, (1, frames, SIDE, SIDE)) for part in ("encode", "decode")) / 1e9
            if way == "whole" and needed > 0.8 * available_gb():
                print(f"{way:8}{frames:8}   about {needed:.0f} GB by the estimate, more than there is", flush=True)
                continue
            words = [sys.executable, __file__, "--widths", ",".join(map(str, widths)), "--one", way, str(frames)]
            done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
            found[way][frames] = figures = json.loads(done.stdout)
            first = found[way][lengths[0]]
            growth = (figures["peak_gb"] - figures["idle_gb"]) / (first["peak_gb"] - first["idle_gb"])
            print(
                f"{way:8}{frames:8}{figures['idle_gb']:9.2f}{figures['peak_gb']:9.2f}"
                f"{figures['peak_gb'] / first['peak_gb']:14.2f}{growth:11.2f}",
                flush=True,
            )
    return found


def draw(path, widths, found):
    """Draws a curve for each way, and below them what the process held before."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from mindone_tae.zoo.atomic_file import replacing

    figure = Figure(figsize=(6.4, 3.4), dpi=110, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for way, points in found.items():
        frames, peaks = list(points), [figures["peak_gb"] for figures in points.values()]
        axes.plot(frames, peaks, marker="o", color=COLOURS[way])
        axes.annotate(
            WAYS[way], (frames[-1], peaks[-1]), (0, 9), textcoords="offset points", ha="right", color=COLOURS[way]
        )
    idle = min(figures["idle_gb"] for points in found.values() for figures in points.values())
    axes.axhline(idle, color="#777777", linewidth=1, linestyle=":")
    axes.annotate(
        "before the first frame", (FRAMES[0], idle), (0, -12), textcoords="offset points", color="#777777", fontsize=9
    )
    axes.set_xticks(sorted({frames for points in found.values() for frames in points}))
    axes.set_ylim(0, 1.15 * max(figures["peak_gb"] for points in found.values() for figures in points.values()))
    axes.set(
        xlabel=f"frames of {SIDE}x{SIDE}",
        ylabel="peak memory of the process, GB",
        title=f"Encode and decode, widths {', '.join(map(str, widths))}, float32",
    )
    axes.grid(color="#e4e4e4")
    axes.spines[["top", "right"]].set_visible(False)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--widths", default="32,64,128,128", help="block_out_channels")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), help="both unless given")
    parser.add_argument("--frames", nargs="+", type=int, default=FRAMES, help="multiples of 16")
    parser.add_argument("--picture", type=Path, help="a .png for the curves")
    parser.add_argument("--one", nargs=2, metavar=("WAY", "FRAMES"), help="one measurement, in this process")
    options = parser.parse_args()
    widths = tuple(map(int, options.widths.split(",")))
    if options.one:
        run(widths, options.one[0], int(options.one[1]))
    found = measure(widths, options.ways, options.frames)
    if options.picture:
        draw(options.picture, widths, found)


if __name__ == "__main__":
    main()
