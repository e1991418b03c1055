"""Compares our network with the plain one and with PyTorch's, side by side: speed, memory, compile time, work moved.

    python tools/benchmark/run.py            # about half an hour on two cores
    python tools/benchmark/run.py --quick    # a minute, tiny widths: shows that it runs, its ratios mean nothing

Each contender has a process of its own. Where they fit into memory together they alternate, call by call, so that other
load on the machine affects all alike; the plain network, which takes the most memory, sometimes has to run alone.
Ratios are of medians. PyTorch is compared where it is installed for this Python, or for the one given by
--torch_python. Everything is float32; MindSpore runs in graph mode.
"""

import argparse
import contextlib
import datetime
import json
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from types import MappingProxyType

from graphs import final_graphs, traffic
from operations import operations

HERE = Path(__file__).resolve().parent
# What `make bench-peers` makes.
PEERS = HERE.parents[1] / ".venv-peers" / "bin" / "python"
WORKS = ("encode", "decode", "train")
QUICK = {"widths": (32, 32, 32, 32), "sizes": ((8, 16, 16),), "recompute_size": (8, 32, 32), "repeats": 1}
# Recompute is looked at where activations take the memory, and not weights and their moments.
FULL = {
    "widths": (128, 256, 512, 512),
    "sizes": ((8, 64, 64), (16, 128, 128)),
    "recompute_size": (8, 128, 128),
    "repeats": 5,
}
# Above this many pixels a clip, inference of the plain network does not fit into 24 GB beside the others; a training
# step fits only alone, and that of the plain network not at all.
TOGETHER_PIXELS = 8 * 64 * 64


class Worker:
    """A contender's process."""

    def __init__(self, python, name, widths, size, graphs=None):
        command = [python, str(HERE / "worker.py"), name, ",".join(map(str, widths)), ",".join(map(str, size))]
        self.name = name
        self.stopped = False
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            command + ([str(graphs)] if graphs else []),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )

    def ask(self, work, repeats=1):
        """Has it do something and returns its answer; raises RuntimeError with its last words if it dies."""
        answer = ""
        if self.stopped:
            self.process.send_signal(signal.SIGCONT)
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps({"work": work, "repeats": repeats}) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        if not answer:
            self.log.seek(0)
            last = self.log.read().decode(errors="replace").strip().splitlines()[-3:] or [
                f"status {self.process.wait()}"
            ]
            raise RuntimeError(f"{self.name} died in {work}: {' | '.join(last)}")
        # Idle threads of MindSpore spin and would take the cores from whoever has the turn.
        self.process.send_signal(signal.SIGSTOP)
        self.stopped = True
        return json.loads(answer)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        """Ends the process, also after Ctrl-C: a stopped one would keep its memory."""
        if self.stopped:
            self.process.send_signal(signal.SIGCONT)
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()


def measure(pythons, groups, works, widths, size, repeats, folders=MappingProxyType({})):
    """Every contender through every work.

    Args:
        pythons: the interpreter of each contender, by name.
        groups: lists of names; those of one group take turns call by call, one group goes after the other.
        works: what to do, of WORKS.
        widths: block_out_channels.
        size: (t, h, w).
        repeats: timed calls of each.
        folders: of those contenders that read files, by name.

    Returns:
        Dict of (name, work) to a dict with seconds (the median), spread, first_seconds, peak_bytes; without those of a
        contender that died.
    """
    found = {}
    for group in groups:
        with contextlib.ExitStack() as open_workers:
            workers = [
                open_workers.enter_context(Worker(pythons[name], name, widths, size, folders.get(name)))
                for name in group
            ]
            for work in works:
                found.update(_in_turns(workers, work, repeats))
    return found


def _in_turns(workers, work, repeats):
    """As `measure`, one work; a worker that dies is taken out of the list."""
    answers, times = {}, {}
    for turn in range(repeats + 1):
        for worker in list(workers):
            try:
                answer = worker.ask(work, repeats=min(turn, 1))  # the first call is not among the timed ones
            except RuntimeError as error:  # as when Linux kills it for its memory
                print(f"{error}; it is left out from here on", flush=True)
                workers.remove(worker)
                answers.pop(worker.name, None)
                continue
            first = answers.setdefault(worker.name, answer)
            first["peak_bytes"] = answer["peak_bytes"]
            times.setdefault(worker.name, []).extend(answer["seconds"])
    return {
        (name, work): {
            **answer,
            "seconds": statistics.median(times[name]),
            "spread": (min(times[name]), max(times[name])),
        }
        for name, answer in answers.items()
    }


def graph_traffic(python, names, works, widths, size):
    """What the compiled graphs of each contender do, by (name, work)."""
    found = {}
    for name in names:
        for work in works:
            with tempfile.TemporaryDirectory() as folder:
                with Worker(python, name, widths, size, folder) as worker:
                    worker.ask(work, repeats=0)
                counts = [traffic(path) for path in final_graphs(folder)]
            # the works compile one large graph each; small ones around it, of single operators, are beside the point
            found[name, work] = max(counts, key=lambda count: count["bytes"])
    return found


def report(widths, size, found, write):
    """Writes one size's table: each contender's figures, then ours against the others."""
    write(f"\n{size[0]}x{size[1]}x{size[2]}")
    write(f"{'':16}{'work':8}{'median s':>9}{'min':>8}{'max':>8}{'first call s':>14}{'GFLOP/s':>9}{'peak GB':>9}")
    for (name, work), figures in sorted(found.items(), key=lambda item: (WORKS.index(item[0][1]), item[0][0])):
        low, high = figures["spread"]
        rate = operations(work, widths, size) / figures["seconds"] / 1e9
        write(
            f"{name:16}{work:8}{figures['seconds']:9.2f}{low:8.2f}{high:8.2f}{figures['first_seconds']:14.1f}{rate:9.0f}"
            f"{figures['peak_bytes'] / 1e9:9.2f}"
        )
    for name, work in found:
        if name == "ours" and ("plain", work) in found:
            ours, plain = found["ours", work], found["plain", work]
            write(
                f"{work}: {plain['seconds'] / ours['seconds']:.2f} times as fast as plain, "
                f"{ours['peak_bytes'] / plain['peak_bytes']:.2f} of its memory"
            )
        if name == "ours" and ("torch", work) in found:
            write(
                f"{work}: {found['torch', work]['seconds'] / found['ours', work]['seconds']:.2f} "
                "times as fast as PyTorch"
            )
        if name == "ours_recompute" and ("ours", work) in found:
            kept, again = found["ours", work], found[name, work]
            write(
                f"{work}, recompute: {again['peak_bytes'] / kept['peak_bytes']:.2f} of ours' memory, "
                f"{again['seconds'] / kept['seconds']:.2f} of its time"
            )


def report_graphs(widths, size, works, write):
    """Writes what the compiled graphs do."""
    write(f"\ncompiled graphs at {size[0]}x{size[1]}x{size[2]}")
    write(f"{'':16}{'work':8}{'operators':>10}{'transposes':>11}{'GB moved':>10}{'by transposes':>15}")
    for (name, work), counts in graph_traffic(
        sys.executable, ["plain", "ours", "ours_npu"], works, widths, size
    ).items():
        write(
            f"{name:16}{work:8}{counts['operators']:10}{counts['transposes']:11}"
            f"{counts['bytes'] / 1e9:10.2f}{counts['transpose_bytes'] / 1e9:15.2f}"
        )


def peers_python():
    """The interpreter that has the other frameworks, where it was set up; else this one."""
    return str(PEERS) if PEERS.exists() else sys.executable


def torch_works(python):
    """Whether that interpreter has PyTorch."""
    return subprocess.run([python, "-c", "import torch"], capture_output=True, check=False).returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny widths and one size, to see that it runs")
    parser.add_argument(
        "--torch_python",
        default=peers_python(),
        help="an interpreter that has PyTorch; .venv-peers' or this one unless given",
    )
    parser.add_argument("--repeats", type=int, help="timed calls of each; 5 unless given")
    parser.add_argument("--sizes", nargs="+", help="sizes as 8x64x64; both unless given")
    parser.add_argument("--works", nargs="+", choices=WORKS, default=WORKS, help="all unless given")
    parser.add_argument(
        "--no_recompute",
        action="store_true",
        help="leave out training with recompute, which takes some 15 GB without it",
    )
    parser.add_argument("--no_graphs", action="store_true", help="leave out the compiled graphs' traffic")
    parser.add_argument("--output", help="a .json file for the figures")
    options = parser.parse_args()
    plan = QUICK if options.quick else FULL
    repeats = options.repeats or plan["repeats"]
    sizes = [tuple(map(int, size.split("x"))) for size in options.sizes] if options.sizes else plan["sizes"]
    has_torch = torch_works(options.torch_python)
    pythons = {name: sys.executable for name in ("plain", "ours", "ours_recompute")}
    pythons["torch"] = options.torch_python
    lines, record = [], {"machine": platform.platform(), "date": datetime.date.today().isoformat(), "results": []}

    def write(line):
        lines.append(line)
        print(line, flush=True)

    with Worker(sys.executable, "ours", QUICK["widths"], QUICK["sizes"][0]) as worker:
        rate = worker.ask("matmul")["rate"]
    write(f"widths {plan['widths']}, float32; one large matrix product runs at {rate / 1e9:.0f} GFLOP/s here")
    rivals = ["ours"] + (["torch"] if has_torch else [])
    for size in sizes:
        together = size[0] * size[1] * size[2] <= TOGETHER_PIXELS
        inference = [work for work in options.works if work != "train"]
        found = {}
        if inference:
            found = measure(
                pythons,
                [["plain"] + rivals] if together else [["plain"], rivals],
                inference,
                plan["widths"],
                size,
                repeats,
            )
        if "train" in options.works and together:
            found.update(measure(pythons, [["plain"], rivals], ["train"], plan["widths"], size, repeats))
        elif "train" in options.works:
            found.update(
                measure(pythons, [[name] for name in rivals], ["train"], plan["widths"], size, max(1, repeats - 3))
            )
        report(plan["widths"], size, found, write)
        record["results"].append(
            {"size": size, "found": {f"{name} {work}": value for (name, work), value in found.items()}}
        )
    if "train" in options.works and not options.no_recompute:
        size = plan["recompute_size"]
        found = measure(pythons, [["ours"], ["ours_recompute"]], ["train"], plan["widths"], size, 1)
        report(plan["widths"], size, found, write)
        record["results"].append(
            {"size": size, "found": {f"{name} {work}": value for (name, work), value in found.items()}}
        )

    if not options.no_graphs:
        report_graphs(plan["widths"], sizes[0], options.works, write)
    if options.output:
        Path(options.output).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
