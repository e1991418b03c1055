"""Does training slow down, does its memory grow, and does it wait for its data?

    python tools/benchmark/long_run.py                                # on clips it makes itself
    python tools/benchmark/long_run.py --csv_path videos/train.csv --video_folder videos

Two questions, each with the ratio that answers it:
- 1,000 steps of a very small model: seconds a step and resident memory of the last 200 against steps 101 to 300.
- tiny_64x64x8, and the same at 128x128x16: seconds a step with data read from the clips against those on one batch kept
  in memory. Both kinds alternate in one run, 20 steps at a time, so that other load on the machine affects both alike.
  Reading is slow at a clip's first draws and fast once dataset.cache_mb holds its frames, so the first epoch is
  reported separately, and for later ones the mean, which includes clips that still had to be decoded, and the median.
  --cache_mb 0 shows the cost without a cache.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

RECIPE = "tae/train/tiny_64x64x8"
FIXED_SHAPE = ["dataset.mixed_strategy=null", "train.eval_every=0", "train.save_every=100000"]
SMALL = ["model.block_out_channels=[8,8,8,8]", "dataset.size=[32,32]", "train.steps=1000"]
SIZES = {
    "64x64x8": (["dataset.size=[64,64]", "dataset.sample_n_frames=8"], 8),
    "128x128x16": (["dataset.size=[128,128]", "dataset.sample_n_frames=16"], 3),
}
# In later epochs the first steps of a turn are not counted: they use up what was read ahead while the other kind ran.
TURN_STEPS, UNCOUNTED = 20, 8


def resident_bytes():
    """Resident memory of this process."""
    with open("/proc/self/statm", encoding="ascii") as pages:
        return int(pages.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def run(overrides, stream=None):
    """Trains in this process, step by step.

    Args:
        overrides: of the recipe.
        stream: called with the loader's own stream of batches and the number of clips, gives the one to train on.

    Returns:
        list of (seconds, resident bytes after it), one for each step.
    """
    from mindone_tae.zoo import Trainer, load_recipe
    from mindone_tae.zoo.run import log as training_log
    from mindone_tae.zoo.training import batches as loader

    steps = []
    note, read = training_log.TrainingLog.step, loader.BatchLoader.stream

    def watched(log, step, entry):
        note(log, step, entry)
        steps.append((entry["seconds"], resident_bytes()))

    training_log.TrainingLog.step = watched
    if stream:
        loader.BatchLoader.stream = lambda self, first, last: stream(read(self, first, last), len(self.dataset))
    with tempfile.TemporaryDirectory() as folder:
        Trainer(load_recipe(RECIPE, FIXED_SHAPE + overrides), folder).run()
    return steps


def long_run(data):
    """Ratios of the last steps to early ones."""
    seconds, memory = np.array(run(SMALL + data)).T
    early, late = slice(100, 300), slice(800, 1000)
    return {
        "seconds a step, early": float(np.median(seconds[early])),
        "seconds a step, late": float(np.median(seconds[late])),
        "late / early, seconds": float(np.median(seconds[late]) / np.median(seconds[early])),
        "resident MB, early": float(np.median(memory[early]) / 1e6),
        "resident MB, late": float(np.median(memory[late]) / 1e6),
        "late / early, memory": float(np.median(memory[late]) / np.median(memory[early])),
    }


def with_data(data, size):
    """Ratios of steps with data to steps on a fixed batch."""
    overrides, turns = SIZES[size]
    total = 2 * turns * TURN_STEPS
    epoch = []

    def turn_about(batches, clips):
        epoch.append(clips)
        kept = None
        for step in range(total):
            # the fixed batch first, whose turn holds the step that compiles
            if step // TURN_STEPS % 2 == 1 or kept is None:
                batch = next(batches)
                kept = batch if kept is None else kept
            yield batch if step // TURN_STEPS % 2 == 1 else kept

    seconds = [step[0] for step in run([*overrides, f"train.steps={total}", *data], turn_about)]
    first, later, fixed = [], [], []
    for step, value in enumerate(seconds):
        turn, place = divmod(step, TURN_STEPS)
        if turn % 2 and turn // 2 * TURN_STEPS + place < epoch[0] - 1:  # the first clip is the fixed batch
            first.append(value)
        elif place >= UNCOUNTED:
            (later if turn % 2 else fixed).append(value)
    return {
        "clips, steps counted in later epochs": [epoch[0], len(later)],
        "seconds a step, fixed batch, mean": statistics.mean(fixed),
        "seconds a step, fixed batch, median": statistics.median(fixed),
        "clips / fixed, first epoch, mean": statistics.mean(first) / statistics.mean(fixed),
        "clips / fixed, later, mean": statistics.mean(later) / statistics.mean(fixed),
        "clips / fixed, later, median": statistics.median(later) / statistics.median(fixed),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--csv_path", help="clips to read; without it, sample clips are made")
    parser.add_argument("--video_folder", help="what the table's paths are relative to")
    parser.add_argument(
        "--cache_mb", type=float, help="megabytes of frames kept in memory; the data set's default unless given"
    )
    parser.add_argument("--only", choices=["long", *SIZES], help="one part; all unless given")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.csv_path is None:
            from mindone_tae.data import make_sample_clips

            options.csv_path, options.video_folder = str(make_sample_clips(Path(folder))[0]), folder
        data = [
            f"dataset.csv_path={options.csv_path}",
            f"dataset.folder={options.video_folder or Path(options.csv_path).parent}",
        ]
        if options.cache_mb is not None:
            data.append(f"dataset.cache_mb={options.cache_mb}")
        if options.only:
            print(json.dumps(long_run(data) if options.only == "long" else with_data(data, options.only)), flush=True)
            os._exit(0)
        for part in ("long", *SIZES):
            # a process of its own: memory that another part left behind is not its own
            words = [
                sys.executable,
                __file__,
                "--only",
                part,
                "--csv_path",
                options.csv_path,
                "--video_folder",
                data[1].partition("=")[2],
            ]
            words += [] if options.cache_mb is None else ["--cache_mb", str(options.cache_mb)]
            done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
            print(f"\n{'1,000 small steps' if part == 'long' else part}")
            for name, value in json.loads(done.stdout.strip().splitlines()[-1]).items():
                print(f"  {name:38}{value if isinstance(value, list) else format(value, '10.3f')}", flush=True)


if __name__ == "__main__":
    main()
