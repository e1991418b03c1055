"""Where a call's time goes: milliseconds and number of operators of each kind, by MindSpore's profiler.

    python tools/benchmark/profile_call.py                                        # a step of a small model at 8x64x64
    python tools/benchmark/profile_call.py --work decode --widths 128,256,512,512

The rest of a call, `between operators`, is what starting them costs. The profiler itself adds a tenth or so: the
median without it is printed too.
"""

import argparse
import csv
import os
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path

os.environ.setdefault("GLOG_v", "3")

from contenders import MindSporeContender
from worker import answers_alone, timed

import mindspore.profiler as profiler

CALLS = 5


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", choices=("encode", "decode", "train"), default="train")
    parser.add_argument("--widths", default="16,32,64,96", help="block_out_channels")
    parser.add_argument("--size", default="8x64x64", help="frames x height x width")
    options = parser.parse_args()
    widths = tuple(map(int, options.widths.split(",")))
    ours = MindSporeContender("ours", widths, tuple(map(int, options.size.split("x"))))
    ours.prepare(options.work)
    answers = answers_alone()

    def call():
        return timed(lambda: ours.run(options.work))[0]

    first = call()
    plain = statistics.median(call() for _ in range(3 * CALLS))
    with tempfile.TemporaryDirectory() as folder:
        handler = profiler.tensorboard_trace_handler(folder)
        with profiler.profile(activities=[profiler.ProfilerActivity.CPU], on_trace_ready=handler):
            profiled = statistics.fmean(call() for _ in range(CALLS))
        kinds = by_kind(next(Path(folder).rglob("cpu_op_detail_info_*.csv")))
    title = f"widths {options.widths}, {options.size}, {options.work}"
    print(f"{title}: first call {first:.1f} s, then {1e3 * plain:.0f} ms, profiled {1e3 * profiled:.0f}", file=answers)
    rows = sorted(kinds.items(), key=lambda item: -item[1][0])
    total = [sum(column) for column in zip(*kinds.values())]
    rows += [("all", total), ("between operators", (1e3 * profiled - total[0], ""))]
    print(
        f"{'ms':>8}{'number':>8}",
        *(f"{ms:8.2f}{number:>8}  {kind}" for kind, (ms, number) in rows),
        sep="\n",
        file=answers,
    )


def by_kind(table):
    """Operator kind to milliseconds a call and number of operators, of the profiler's table of operators."""
    kinds = defaultdict(lambda: (0.0, 0))
    with open(table, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            spent, number = kinds[row["op_type"]]
            kinds[row["op_type"]] = (spent + float(row["op_total_time(ms)"]) / CALLS, number + 1)
    return kinds


if __name__ == "__main__":
    main()
