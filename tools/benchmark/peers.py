"""Compares our network with the strongest others that are installed: time, in turns, and peak memory.

    python tools/benchmark/peers.py            # width 128: minutes, most of them compiling
    python tools/benchmark/peers.py --quick    # tiny widths: shows that it runs, its ratios mean nothing
    python tools/benchmark/peers.py --streamed --names torch --sizes 64x256x256 --widths 64,128,256,256 --budget 2

Contenders: PyTorch eager, torch.compile, PyTorch with bfloat16 products, and our own ONNX files in onnxruntime and in
OpenVINO, float32 and bfloat16. They are looked for in .venv-peers, which `make bench-peers` makes, or in the Python
that --python names; ONNX files need the package onnx here. Ratios are ours over theirs: below 1, ours takes less. What
computes in bfloat16 gives about three digits; MindSpore has no such products on a CPU.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from run import FULL, QUICK, TOGETHER_PIXELS, WORKS, Worker, measure, peers_python

# Contender: the module that it needs.
PEERS = {
    "torch": "torch",
    "torch_compile": "torch",
    "torch_bf16": "torch",
    "onnxruntime": "onnxruntime",
    "openvino": "openvino",
    "openvino_bf16": "openvino",
}
ONNX = ("onnxruntime", "openvino", "openvino_bf16")
# How far the mean magnitude of a float32 file's results may be from ours, over ours.
SAME = 1e-3


def write_files(widths, folder):
    """Writes the ONNX files of the network that `ours` has; in a process of its own, for MindSpore's threads."""
    from contenders import MindSporeContender

    model = MindSporeContender("ours", widths, (1, 8, 8)).model

    import onnx  # after MindSpore, which fails to be imported the other way round

    from mindone_tae.export.onnx_file import onnx_model

    for part in ("encoder", "decoder"):
        onnx.save_model(onnx_model(part, model, {}), str(Path(folder, f"{part}.onnx")))
    os._exit(0)  # MindSpore's own teardown at times aborts a finished process on a CPU


def has(python, module):
    """Whether an interpreter has a module."""
    return subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0


def works_of(name, works):
    """Those of the works that a contender does."""
    return [work for work in works if work != "train" or name not in ONNX]


def peaks(pythons, names, works, widths, size, folders, write):
    """The peak memory of each contender in each work, a process for each; those that fail are told and left out.

    Returns:
        Dict of (name, work) to the worker's answer.
    """
    found = {}
    for name in names:
        for work in works_of(name, works):
            with Worker(pythons[name], name, widths, size, folders.get(name)) as worker:
                try:
                    found[name, work] = worker.ask(work, repeats=1)
                except RuntimeError as error:
                    write(f"left out: {error}")
    return found


def times(pythons, able, works, widths, size, repeats, folders):
    """Seconds of each (name, work) of able, contenders taking turns where they fit into memory together."""
    found = {}
    for work in works:
        taking_part = [name for name, does in able if does == work]
        together = work != "train" or size[0] * size[1] * size[2] <= TOGETHER_PIXELS
        groups = [taking_part] if together else [[name] for name in taking_part]
        found.update(measure(pythons, groups, [work], widths, size, repeats, folders))
    return found


def report(size, works, seconds, memory, write, own):
    """Writes one size's table: seconds and peak memory of each, and ours, of the name `own`, over it."""
    write(f"\n{size[0]}x{size[1]}x{size[2]}; ours over theirs in brackets")
    write(f"{'':16}{'work':8}{'median s':>16}{'min':>8}{'max':>8}{'first call s':>14}{'peak GB':>16}")
    for work in works:
        if (own, work) not in seconds:
            continue
        ours, our_peak = seconds[own, work], memory[own, work]["peak_bytes"]
        for name in (own, *PEERS):
            if (name, work) not in seconds:
                continue
            one, peak = seconds[name, work], memory[name, work]["peak_bytes"]
            low, high = one["spread"]
            write(
                f"{name:16}{work:8}{one['seconds']:9.3f} ({ours['seconds'] / one['seconds']:4.2f}){low:8.3f}{high:8.3f}"
                f"{one['first_seconds']:14.1f}{peak / 1e9:9.2f} ({our_peak / peak:4.2f})"
            )
            apart = abs(one["value"] - ours["value"]) / abs(ours["value"])
            if name in ("onnxruntime", "openvino") and not apart < SAME:
                raise RuntimeError(
                    f"{name} computes something else in {work}: {one['value']} where ours is {ours['value']}"
                )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny widths and one size, to see that it runs")
    parser.add_argument("--python", help="an interpreter that has the others; .venv-peers' or this one unless given")
    parser.add_argument(
        "--names", nargs="+", choices=PEERS, default=list(PEERS), help="all that are installed unless given"
    )
    parser.add_argument("--repeats", type=int, help="timed calls of each; 5 unless given")
    parser.add_argument("--sizes", nargs="+", help="sizes as 8x64x64; both unless given")
    parser.add_argument("--widths", help="block_out_channels as 128,256,512,512")
    parser.add_argument(
        "--works", nargs="+", choices=WORKS, default=["encode", "decode"], help="encode and decode unless given"
    )
    parser.add_argument(
        "--streamed", action="store_true", help="ours chunk by chunk, beside whole passes of the others"
    )
    parser.add_argument(
        "--budget", metavar="GB", help="with --streamed, memory_budget_gb; the default tiles unless given"
    )
    parser.add_argument("--output", help="a .json file for the figures")
    options = parser.parse_args()
    plan = QUICK if options.quick else FULL
    repeats = options.repeats or plan["repeats"]
    widths = tuple(map(int, options.widths.split(","))) if options.widths else plan["widths"]
    sizes = [tuple(map(int, size.split("x"))) for size in options.sizes] if options.sizes else plan["sizes"]
    python = options.python or peers_python()

    def write(line):
        print(line, flush=True)

    installed = {module for module in set(PEERS.values()) if has(python, module)}
    if options.budget and not options.streamed:
        parser.error(f"--budget is {options.budget}; it is for streams, which are cut into tiles: add --streamed")
    own = "ours_streamed" if options.streamed else "ours"
    own += f":{options.budget}" if options.budget else ""
    names = [own, *(name for name in options.names if PEERS[name] in installed)]
    if not has(sys.executable, "onnx"):
        names = [name for name in names if name not in ONNX]
    absent = [name for name in options.names if name not in names]
    if absent:
        write(
            f"not installed, so left out: {', '.join(absent)}; make bench-peers installs them, pip install onnx "
            f"here writes files"
        )
    pythons = {**dict.fromkeys(PEERS, python), own: sys.executable}
    record = []
    with tempfile.TemporaryDirectory() as folder:
        folders = dict.fromkeys(ONNX, folder)
        if any(name in ONNX for name in names):
            writer = multiprocessing.get_context("spawn").Process(target=write_files, args=(widths, folder))
            writer.start()
            writer.join()
            if writer.exitcode:
                raise RuntimeError("the ONNX files could not be written: what went wrong stands above")
        write(f"widths {widths}; bfloat16 products where the name says so, float32 elsewhere")
        for size in sizes:
            memory = peaks(pythons, names, options.works, widths, size, folders, write)
            seconds = times(pythons, list(memory), options.works, widths, size, repeats, folders)
            report(size, options.works, seconds, memory, write, own)
            record.append({"size": size, **_by_text(seconds=seconds, memory=memory)})
    if options.output:
        Path(options.output).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _by_text(**tables):
    """Tables of (name, work) with keys that JSON has."""
    return {key: {" ".join(entry): value for entry, value in table.items()} for key, table in tables.items()}


if __name__ == "__main__":
    main()
