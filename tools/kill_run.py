"""Kills a training run at random moments, resumes it each time, and compares it bit for bit with an uninterrupted one.

    python tools/kill_run.py --config tae/train/tiny_64x64x8 --output_path outputs/killed --kills 10 \
        dataset.csv_path=videos/train.csv dataset.folder=videos train.steps=60 train.save_every=2

Kills come in turn at a random line of the host's stepping code, of its saving code, at a random time, and at a line of
its start-up. The recipe needs enough steps: a session may make a few saves' worth of steps before it is killed. Writes
whole/ and killed/ below --output_path and prints the place of each kill. Exit status 0 where everything is equal, 1
otherwise.

Sessions are forked from one process that has imported everything and computed nothing, which saves start-up time.
"""

import argparse
import importlib
import json
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

from safetensors.numpy import load_file

import mindone_tae.zoo
from mindone_tae.zoo import Trainer, load_recipe

HOST = f"{Path(mindone_tae.zoo.__file__).parent}/"
SAVING = tuple(f"{HOST}{name}.py" for name in ("run/checkpoints", "atomic_file", "run/folder", "training/evaluations"))
# Where a kill strikes: files whose lines count, and whether only from the first step on.
KINDS = {"starting": (HOST, False), "stepping": (HOST, True), "saving": (SAVING, True), "clock": ((), False)}
BATCHES = f"{HOST}training/batches.py"
# Differ from run to run, and say nothing about the result.
TIMES = ("seconds", "data_seconds", "eval_seconds")


class LineBomb:
    """Counts the lines of each kind that run, and ends the process with SIGKILL at the n-th of one kind.

    Args:
        kind: of KINDS.
        n: counted from 1; 0 only counts.
        note: file that gets the line's place before the kill.
    """

    def __init__(self, kind=None, n=0, note=None):
        self.kind, self.n, self.note = kind, n, note
        self.counts = dict.fromkeys(KINDS, 0)
        self.stepping = False

    def __call__(self, frame, event, argument):
        self.stepping = self.stepping or frame.f_code.co_filename == BATCHES and frame.f_code.co_name == "stream"
        return self._line if frame.f_code.co_filename.startswith(HOST) else None

    def _line(self, frame, event, argument):
        code = frame.f_code
        for kind, (files, late) in KINDS.items():
            if event == "line" and code.co_filename.startswith(files) and late == self.stepping:
                self.counts[kind] += 1
                if kind == self.kind and self.counts[kind] == self.n:
                    self.note.write_text(f"{Path(code.co_filename).name}:{frame.f_lineno} in {code.co_name}")
                    os.kill(os.getpid(), signal.SIGKILL)
        return self._line


def session(recipe, folder, bomb=None, seconds=None, last_line=None, report=None):
    """Runs the recipe in a process of its own, resuming what is there.

    Args:
        recipe: a Recipe.
        folder: of the run.
        bomb: LineBomb or None.
        seconds: until it is killed; None leaves it.
        last_line: with seconds, kills sooner once metrics.jsonl has this many lines, in case the machine has become
            faster.
        report: called in the process after the run.

    Returns:
        Whether it was killed.
    """
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            sys.settrace(bomb)
            Trainer(recipe, folder, resume=True).run()
            sys.settrace(None)
            if report:
                report()
            status = 0
        except BaseException:
            traceback.print_exc()  # which leaving at once would swallow
        finally:
            os._exit(status)
    if seconds is not None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and len(lines_of(folder)) < last_line:
            time.sleep(0.005)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return True
    if status:
        raise SystemExit(f"the session failed with status {os.waitstatus_to_exitcode(status)}: see its output above")
    return False


def uninterrupted(recipe, folder):
    """Runs the recipe to its end; gives the lines that ran, by kind, and the seconds it took."""
    bomb, note, started = LineBomb(), folder.parent / "counts.json", time.monotonic()
    session(recipe, folder, bomb, report=lambda: note.write_text(json.dumps(bomb.counts)))
    return json.loads(note.read_text()), time.monotonic() - started


def killed(recipe, folder, kills, rng, counts, seconds, write):
    """Runs the recipe with so many kills, then to its end."""
    share = 2 * recipe.train.save_every / recipe.train.steps
    note = folder.parent / "place"
    for kill in range(1, kills + 1):
        kind = list(KINDS)[kill % len(KINDS)]
        note.write_text("by the clock")
        if kind == "clock":
            most = len(lines_of(folder)) + 5 * recipe.train.save_every
            done = not session(recipe, folder, seconds=rng.uniform(0, seconds * min(1, 5 * share)), last_line=most)
        else:
            reach = counts[kind] * (share if KINDS[kind][1] else 1)
            done = not session(recipe, folder, LineBomb(kind, rng.randint(1, max(1, int(reach))), note))
        if done:
            raise SystemExit(f"the run ended before kill {kill} of {kills}: raise train.steps")
        write(f"kill {kill}, {kind}: {note.read_text()}; {state_of(folder)}")
    session(recipe, folder)


def state_of(folder):
    """What a kill left, in words."""
    saved = max((path.name for path in folder.glob("checkpoints/step_*")), default="none")
    halves = len(list(folder.glob("**/.*.tmp*")))
    return f"last checkpoint {saved}, {len(lines_of(folder))} lines of metrics, {halves} files half written"


def lines_of(folder):
    """The lines of metrics.jsonl, none before it is there."""
    metrics = folder / "metrics.jsonl"
    return metrics.read_text().splitlines() if metrics.exists() else []


def differences(whole, other):
    """Sentences on what differs between two runs' checkpoints and metrics."""
    found = []
    names = [
        {path.relative_to(run).as_posix() for path in run.glob("checkpoints/**/*") if path.is_file()}
        for run in (whole, other)
    ]
    found += [f"{name} is in one run only" for name in sorted(names[0] ^ names[1])]
    for name in sorted(names[0] & names[1]):
        first, second = load_file(whole / name), load_file(other / name)
        found += [f"{name}: {key} is in one run only" for key in sorted(first.keys() ^ second.keys())]
        found += [
            f"{name}: {key} differs"
            for key in sorted(first.keys() & second.keys())
            if first[key].tobytes() != second[key].tobytes()
        ]
    first, second = (metrics_of(run) for run in (whole, other))
    if len(first) != len(second):
        found.append(f"{len(first)} lines of metrics in one, {len(second)} in the other")
    found += [f"metrics differ: {a} and {b}" for a, b in zip(first, second) if a != b]
    return found


def metrics_of(run):
    """The lines of metrics.jsonl without what is measured in seconds."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in TIMES} for line in lines]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", required=True, help="a recipe's name or file")
    parser.add_argument("--output_path", required=True, type=Path, help="a new folder")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options, overrides = parser.parse_known_args()
    recipe = load_recipe(options.config, overrides)
    importlib.import_module("mindone.utils")  # which each session would import
    options.output_path.mkdir(parents=True)
    whole, other = options.output_path / "whole", options.output_path / "killed"
    with open(options.output_path / "kills.log", "w", encoding="utf-8", buffering=1) as log:

        def write(text):
            print(text, flush=True)
            log.write(text + "\n")

        counts, seconds = uninterrupted(recipe, whole)
        write(f"uninterrupted: {recipe.train.steps} steps in {seconds:.1f} s, lines of the host's code: {counts}")
        killed(recipe, other, options.kills, random.Random(options.seed), counts, seconds, write)
        found = differences(whole, other)
        arrays = sum(len(load_file(path)) for path in (whole / "checkpoints").glob("*/*.safetensors"))
        write(
            "\n".join(found)
            if found
            else f"after {options.kills} kills, equal bit for bit: {arrays} arrays, "
            f"{len(metrics_of(whole))} lines of metrics"
        )
    os._exit(1 if found else 0)


if __name__ == "__main__":
    main()
