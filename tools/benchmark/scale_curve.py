"""Seconds a frame and peak memory of encoding and decoding against the size of the video: whole, in tiles, streamed.

    python tools/benchmark/scale_curve.py                      # a table; docs/scale_curve.png with --picture
    python tools/benchmark/scale_curve.py --frames 8 64 --sides 64 --ways stream

Two series: 8 to 512 frames of 64x64, and 8 frames of 64 to 1024 pixels a side; in float32, PyNative mode, each point in
a process of its own. Memory is the process's peak (VmHWM); `idle` that of MindSpore, the model and one short pass
before. In tiles: the defaults of enable_tiling(). Streamed: encode_frames and decode_frames on chunks of 16 frames,
generated on demand and dropped at once, as by a reader and a writer. Each is timed after a first pass over 8 frames of
its side, of 256 pixels at most. Points that would not fit into memory are left out.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from contenders import groups_of
from worker import answers_alone, peak_bytes

os.environ.setdefault("GLOG_v", "3")

FRAMES, SIDES = (8, 32, 128, 512), (64, 128, 256, 512, 1024)
SIDE, LENGTH, CHUNK_FRAMES = 64, 8, 16  # of the series in which the other grows; frames a chunk
FIRST_SIDE = 256  # at most, of the pass before the timed one
PARTS = ("encode", "decode")
COLOURS = {"whole": "#d6604d", "tiled": "#4d9221", "stream": "#2166ac"}
MARKERS = {"encode": "o", "decode": "s"}


def available_gb():
    """Memory that is free or can be freed, in GB."""
    with open("/proc/meminfo", encoding="ascii") as memory:
        return next(int(line.split()[1]) * 1024 for line in memory if line.startswith("MemAvailable")) / 1e9


def run(widths, way, part, frames, side):
    """Does the work once in this process and writes its figures to stdout."""
    answers = answers_alone()
    import numpy as np

    import mindspore as ms

    from mindone_tae import TemporalAutoencoder

    ms.set_context(mode=ms.PYNATIVE_MODE, device_target="CPU")
    ms.runtime.launch_blocking()  # as the commands do
    model = TemporalAutoencoder(block_out_channels=widths, norm_num_groups=groups_of(widths), sample_deterministic=True)
    model.set_train(False)
    rng = np.random.default_rng(0)

    def video(t, side):
        return rng.uniform(-1, 1, (1, 3, t, side, side)).astype(np.float32)

    def latent(t, side):
        return rng.standard_normal((1, model.latent_channels, -(-t // 8), side // 8, side // 8)).astype(np.float32)

    whole = {"encode": lambda x: model.encode(x)[1], "decode": model.decode}
    streamed = {"encode": model.encode_frames, "decode": model.decode_frames}
    make = video if part == "encode" else latent
    whole[part](make(1, SIDE))
    if way == "tiled":
        model.enable_tiling()
    idle = peak_bytes()
    whole[part](make(LENGTH, min(side, FIRST_SIDE)))
    start = time.perf_counter()
    if way == "stream":
        chunk = min(CHUNK_FRAMES, frames)
        for _ in streamed[part](make(chunk, side) for _ in range(frames // chunk)):
            pass
    else:
        whole[part](make(frames, side))
    seconds = time.perf_counter() - start
    answers.write(json.dumps({"seconds": seconds, "idle_gb": idle / 1e9, "peak_gb": peak_bytes() / 1e9}) + "\n")
    answers.flush()
    os._exit(0)  # MindSpore's own teardown at times aborts a finished process on a CPU


def measure(widths, ways, points):
    """The figures of each point.

    Args:
        widths: block_out_channels.
        ways: of COLOURS.
        points: list of (frames, side).

    Returns:
        Dict of (way, part) to dict of (frames, side) to {"seconds", "idle_gb", "peak_gb"}.
    """
    from mindone_tae.models.tiling.memory import activation_bytes
    from mindone_tae.models.tiling.sizes import TileSizes

    found = {}
    print(
        f"widths {','.join(map(str, widths))}\n"
        f"{'':8}{'':8}{'frames':>8}{'side':>6}{'ms a frame':>12}{'ns a pixel':>12}{'idle GB':>9}{'peak GB':>9}"
    )
    for way in ways:
        for part in PARTS:
            for frames, side in points:
                at_once = frames if way == "whole" else min(frames, TileSizes().in_time(part)[0])
                needed = activation_bytes(part, widths, (1, at_once, side, side)) / 1e9
                if way != "tiled" and needed > 0.8 * available_gb():
                    print(f"{way:8}{part:8}{frames:8}{side:6}   about {needed:.0f} GB by the estimate: left out")
                    continue
                words = [sys.executable, __file__, "--widths", ",".join(map(str, widths))]
                words += ["--one", way, part, str(frames), str(side)]
                done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
                figures = found.setdefault((way, part), {})[frames, side] = json.loads(done.stdout)
                each = figures["seconds"] / frames
                print(
                    f"{way:8}{part:8}{frames:8}{side:6}{1e3 * each:12.1f}{1e9 * each / side**2:12.0f}"
                    f"{figures['idle_gb']:9.2f}{figures['peak_gb']:9.2f}",
                    flush=True,
                )
    return found


def draw(path, widths, found):
    """Draws four panels: seconds a frame and peak memory, against frames and against pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    from mindone_tae.zoo.atomic_file import replacing

    figure = Figure(figsize=(9, 6), dpi=110, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 2, sharex="col")
    for (way, part), points in found.items():
        style = {"color": COLOURS[way], "marker": MARKERS[part], "label": f"{part}, {way}", "markersize": 4}
        rows = [(t, side, figures["seconds"] / t, figures["peak_gb"]) for (t, side), figures in points.items()]
        by_length = [(t, seconds, peak) for t, side, seconds, peak in rows if side == SIDE]
        by_side = [(side, seconds, peak) for t, side, seconds, peak in rows if t == LENGTH]
        for column, series in enumerate((by_length, by_side)):
            for row in (0, 1):
                panels[row, column].loglog(
                    [point[0] for point in series], [point[1 + row] for point in series], **style
                )
    for column, (name, ticks) in enumerate(
        ((f"frames of {SIDE}x{SIDE}", FRAMES), (f"side of {LENGTH} frames, pixels", SIDES))
    ):
        panels[1, column].set_xlabel(name)
        panels[1, column].set_xticks(ticks, map(str, ticks))
        panels[1, column].xaxis.minorticks_off()
        for row, what in enumerate(("seconds a frame", "peak memory, GB")):
            panels[row, column].set_ylabel(what)
            panels[row, column].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            panels[row, column].yaxis.set_major_formatter("{x:g}")
            panels[row, column].yaxis.set_minor_formatter("")
            panels[row, column].grid(color="#e4e4e4")
            panels[row, column].spines[["top", "right"]].set_visible(False)
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(f"widths {', '.join(map(str, widths))}, float32, PyNative mode, CPU", fontsize=11)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--widths", default="32,64,128,128", help="block_out_channels")
    parser.add_argument("--ways", nargs="+", choices=COLOURS, default=list(COLOURS), help="all unless given")
    parser.add_argument("--frames", nargs="+", type=int, default=FRAMES, help="8 and multiples of 16")
    parser.add_argument("--sides", nargs="+", type=int, default=SIDES, help="multiples of 8")
    parser.add_argument("--picture", type=Path, help="a .png for the curves")
    parser.add_argument(
        "--one", nargs=4, metavar=("WAY", "PART", "FRAMES", "SIDE"), help="one measurement, in this process"
    )
    options = parser.parse_args()
    widths = tuple(map(int, options.widths.split(",")))
    if options.one:
        way, part, frames, side = options.one
        run(widths, way, part, int(frames), int(side))
    points = sorted({(frames, SIDE) for frames in options.frames} | {(LENGTH, side) for side in options.sides})
    found = measure(widths, options.ways, points)
    if options.picture:
        draw(options.picture, widths, found)


if __name__ == "__main__":
    main()
