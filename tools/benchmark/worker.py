"""One contender in a process of its own, controlled by its standard input.

    python worker.py ours 128,256,512,512 8,64,64 [folder for graphs]

Each input line is {"work": ..., "repeats": n}; each output line is {"first_seconds": ..., "seconds": [...],
"peak_bytes": ..., "value": ...}. `first_seconds` is of the first call, which compiles; `peak_bytes` is the process's
highest resident memory so far.
"""

import json
import os
import sys
import time

os.environ.setdefault("GLOG_v", "3")

from contenders import build


def peak_bytes():
    """The highest resident memory of this process (VmHWM), in bytes."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def timed(run):
    """Seconds that a call takes, and what it gives."""
    start = time.perf_counter()
    value = run()
    return time.perf_counter() - start, value


def answers_alone():
    """Standard output as a file to write to; whatever a framework prints goes to standard error from now on."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def matmul_rate(contender, side=3072):
    """Floating point operations a second of one large matrix product."""
    run = contender.matmul(side)
    run()
    return 2 * side**3 / min(timed(run)[0] for _ in range(3))


def main():
    name, widths, size, *graphs = sys.argv[1:]
    answers = answers_alone()
    contender = build(name, tuple(map(int, widths.split(","))), tuple(map(int, size.split(","))), *graphs)
    idle, begun = peak_bytes(), {}
    for line in sys.stdin:
        task = json.loads(line)
        work = task["work"]
        if work == "matmul":
            answer = {"rate": matmul_rate(contender)}
        else:
            contender.prepare(work)
            if work not in begun:
                begun[work] = timed(lambda: contender.run(work))
            done = [timed(lambda: contender.run(work))[0] for _ in range(task["repeats"])]
            first, value = begun[work]
            answer = {
                "first_seconds": first,
                "seconds": done,
                "peak_bytes": peak_bytes(),
                "idle_bytes": idle,
                "value": value,
            }
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    os._exit(0)  # MindSpore's own teardown at times aborts a finished process on a CPU


if __name__ == "__main__":
    main()
