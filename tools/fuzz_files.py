"""Damaged copies of every kind of file that the package reads: each is read or refused in one line, in time and memory.

    python tools/fuzz_files.py                          # 5,000 variants, minutes on one core
    python tools/fuzz_files.py --kinds run,table --variants 500 --seed 7
    python tools/fuzz_files.py --only "table 12"        # one variant again, with its traceback and its files kept

Seeds are the package's own outputs (tools/fuzzing/seeds.py): recipes, tables, manifests, journals, latents, shards with
their index, arrays, weights in every format, diffusers folders, runs, reports; TensorBoard's event files are only
written. A variant damages one of them by its structure (tools/fuzzing/damage.py) or its bytes, and does with it what
a command would (tools/fuzzing/kinds.py). Counted are tracebacks, deaths, hangs over 10 seconds, and memory over 2 GB.
Exit status 0 where there is none, 1 where there is.
"""

import argparse
import gc
import json
import logging
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from fuzzing.damage import damaged
from fuzzing.kinds import KINDS
from fuzzing.kinds_data import made

from mindone_tae.cli.mistakes import is_mistake

HANG_SECONDS = 10.0
# On a shared machine a variant that computes little may be waiting for its turn, but not for so many times as long.
_PATIENCE = 6
MEMORY_BYTES = 2 * 2**30
# Variants of one process: starting one costs little, and what one leaves behind must not add up.
_BATCH = 50
_GOOD = ("read", "refused")


def variant(kind, number, seed, source, place):
    """A damaged copy of a kind's seed.

    Args:
        kind: a Kind.
        number, seed: which.
        source: folder of its seed.
        place: the copy, a folder to be made.

    Returns:
        What was done, in words.
    """
    rng = np.random.default_rng([seed, number, *kind.name.encode()])
    shutil.copytree(source, place)
    files = sorted(path for path in place.rglob("*") if path.is_file() and path.suffix in kind.by_format)
    file = files[int(rng.integers(len(files)))]
    return f"{file.relative_to(place)}: {damaged(file, kind.by_format[file.suffix], rng)}"


def outcome(work):
    """What comes of reading: "read", "refused", "TRACEBACK" or "MEMORY", and what was said."""
    try:
        work()
        return "read", ""
    except MemoryError as error:
        return "MEMORY", str(error)
    except Exception as error:
        if isinstance(error, OSError) or is_mistake(error):
            return "refused", str(error)
        where = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in where if "mindone_tae" in frame.filename] or where
        at = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
        return "TRACEBACK", f"{type(error).__name__} at {at}: {str(error)[:200]!r}"


def _quiet():
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.dup2(sink, 2)


def _bounded():
    """No variant takes the machine's memory: twice what is counted as too much ends in MemoryError."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + 2 * MEMORY_BYTES,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MEMORY_BYTES, MEMORY_BYTES))


def _status(name):
    """Bytes of a line of /proc/self/status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name))) * 1024


def _worker(jobs, seed, folder, pipe):
    """Reads variants one after the other and tells of each by a line."""
    _quiet()
    _bounded()
    gc.freeze()  # what was imported is not looked through again for every variant
    for index, (kind, number) in enumerate(jobs):
        place = Path(folder) / f"{kind.name.replace(' ', '_')}_{number}"
        told = variant(kind, number, seed, Path(folder) / "seeds" / kind.name, place)
        os.write(pipe, (json.dumps({"started": index, "told": told[:300]}) + "\n").encode())
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
        before, begun = _status("VmRSS"), time.monotonic()
        what, why = outcome(lambda: kind.read(place))
        seconds, grown = time.monotonic() - begun, _status("VmHWM") - before
        if grown > MEMORY_BYTES:
            what, why = "MEMORY", f"{grown / 1e9:.1f} GB"
        if what in _GOOD:
            shutil.rmtree(place, ignore_errors=True)
        line = {"done": index, "what": what, "why": why[:400], "seconds": round(seconds, 3), "grown": grown}
        os.write(pipe, (json.dumps(line) + "\n").encode())


def fuzz(jobs, seed, folder):
    """Reads variants in processes of their own.

    Args:
        jobs: (Kind, number) pairs.
        seed: of the damage.
        folder: with seeds/; gets the variants, of which those that went wrong stay.

    Yields:
        (Kind, number, what was done, outcome, what was said, seconds, bytes) of each.
    """
    at = 0
    while at < len(jobs):
        batch = jobs[at : at + _BATCH]
        reading, writing = os.pipe()
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(reading)
                _worker(batch, seed, folder, writing)
            except BaseException:
                os.write(writing, (json.dumps({"broken": traceback.format_exc()}) + "\n").encode())
            finally:
                os._exit(0)
        os.close(writing)
        done = yield from _heard(batch, reading, pid)
        os.close(reading)
        os.waitpid(pid, 0)
        at += done


def _heard(batch, reading, pid):
    """Yields what a worker tells, until it ends or hangs; gives how many variants are done with."""
    text, done, told, since, computed = b"", 0, "", time.monotonic(), _cpu_seconds(pid)
    while True:
        ready, _, _ = select.select([reading], [], [], 0.2)
        if not ready:
            waited = time.monotonic() - since
            if (
                waited < HANG_SECONDS
                or _cpu_seconds(pid) - computed < HANG_SECONDS
                and waited < _PATIENCE * HANG_SECONDS
            ):
                continue
            os.kill(pid, signal.SIGKILL)
            yield (*batch[done], told, "HANG", f"over {HANG_SECONDS:g} s", HANG_SECONDS, 0)
            return done + 1
        part = os.read(reading, 65536)
        if not part:
            if done < len(batch):
                yield (*batch[done], told, "DEATH", "the process ended", time.monotonic() - since, 0)
                done += 1
            return done
        *lines, text = (text + part).split(b"\n")
        for line in map(json.loads, lines):
            since, computed = time.monotonic(), _cpu_seconds(pid)
            if "broken" in line:
                raise SystemExit(f"the fuzzer itself failed:\n{line['broken']}")
            told = line.get("told", told)
            if "done" in line:
                yield (*batch[done], told, line["what"], line["why"], line["seconds"], line["grown"])
                done += 1


def _cpu_seconds(pid):
    """Seconds that a process has computed."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def in_a_fork(work):
    """Runs a function in a fork: threads that it starts would keep later forks of this process waiting.

    Raises:
        SystemExit: it failed.
    """
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    if os.waitpid(pid, 0)[1]:
        raise SystemExit("whole files could not be made, or not be read: see above")


def read_whole(kinds, folder):
    """Reads the seeds as they are: else refusing damaged ones would say nothing."""
    for kind in kinds:
        shutil.copytree(folder / "seeds" / kind.name, folder / "whole")
        kind.read(folder / "whole")
        shutil.rmtree(folder / "whole")


def jobs_of(kinds, variants):
    """(Kind, number) pairs, so many in all, by the kinds' shares."""
    whole = sum(kind.share for kind in kinds)
    counts = [variants * kind.share // whole for kind in kinds]
    counts[0] += variants - sum(counts)
    return [(kind, number) for kind, count in zip(kinds, counts) for number in range(count)]


def again(name, seed, folder):
    """One variant in this process, with its traceback."""
    kind_name, _, number = name.rpartition(" ")
    kind = next(kind for kind in KINDS if kind.name == kind_name)
    place = folder / f"{kind_name.replace(' ', '_')}_{number}"
    shutil.rmtree(place, ignore_errors=True)
    print(variant(kind, int(number), seed, folder / "seeds" / kind.name, place), place)
    kind.read(place)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variants", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", help="names with commas; all unless given")
    parser.add_argument("--only", metavar="NAME", help='one variant again, such as "table 12"')
    parser.add_argument("--folder", type=Path, help="where the variants that went wrong stay")
    options = parser.parse_args()
    named = options.only.rpartition(" ")[0] if options.only else options.kinds
    wanted = named.split(",") if named else [kind.name for kind in KINDS]
    kinds = [kind for kind in KINDS if kind.name in wanted]
    folder = options.folder or Path(tempfile.mkdtemp(prefix="fuzz-"))
    in_a_fork(lambda: made(folder / "seeds", kinds))
    if options.only:
        again(options.only, options.seed, folder)
        return 0
    logging.disable(logging.CRITICAL)
    in_a_fork(lambda: read_whole(kinds, folder))
    counts, wrong, slowest, largest, begun = {}, [], 0.0, 0, time.monotonic()
    for kind, number, told, what, why, seconds, grown in fuzz(jobs_of(kinds, options.variants), options.seed, folder):
        counts.setdefault(kind.name, Counter())[what] += 1
        slowest, largest = max(slowest, seconds), max(largest, grown)
        if what not in _GOOD:
            wrong.append(f"{what:9} {kind.name} {number}: {told}: {why}")
            print(wrong[-1], flush=True)
    print(
        f"{'kind':<18}{'variants':>9}{'read':>7}{'refused':>9}{'tracebacks':>12}{'deaths':>8}{'hangs':>7}{'memory':>8}"
    )
    total = sum(counts.values(), Counter())
    for name, found in [*counts.items(), ("all", total)]:
        columns = (found[key] for key in ("read", "refused", "TRACEBACK", "DEATH", "HANG", "MEMORY"))
        print(f"{name:<18}{found.total():>9}" + "".join(f"{n:>{w}}" for n, w in zip(columns, (7, 9, 12, 8, 7, 8))))
    minutes = (time.monotonic() - begun) / 60
    print(f"{minutes:.1f} minutes; the slowest took {slowest:.1f} s, the largest {largest / 1e6:.0f} MB; see {folder}")
    return 1 if wrong else 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # MindSpore's own teardown at times aborts a finished process
