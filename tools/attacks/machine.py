"""Machines that are full, closed, read-only, without shared memory, small, or whose clock goes back."""

import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

from combinations import FEATURES, SMALL, differences

from .running import TINY, Attack, Result, clips, done, mounts, refused, run, weights

_TRAIN = ["train", "--config", "tae/train/tiny_64x64x8", *SMALL, "env.mode=1"]
_TOOLS = Path(__file__).parents[1]
_GIB = 2**30
_BUDGET_GB = 1.0


def _data(folder):
    from mindone_tae.data import make_sample_clips

    make_sample_clips(folder / "clips", train=3, test=1, frames=8, size=(48, 64))
    return [
        "--csv_path",
        f"{folder}/clips/train.csv",
        "--video_folder",
        f"{folder}/clips",
        f"eval.dataset.csv_path={folder}/clips/test.csv",
    ]


def _full(folder):
    weights(folder)
    clips(folder)
    (folder / "disk").mkdir()
    run(["encode", "--video_folder", "videos", *TINY, "--output_path", "latents"], folder, 300)
    commands = [
        ["check-data", "videos"],
        *([name, "--video_folder", "videos", *TINY] for name in ("encode", "reconstruct", "evaluate")),
    ]
    commands += [["decode", "--latent_folder", "latents", *TINY[:2]], [*_TRAIN, *_data(folder)]]
    for words in commands:
        for size in (4, 40):
            disk = mounts("-t", "tmpfs", "-o", f"size={size}k", "none", folder / "disk")
            said = run([*words, "--output_path", "disk/out"], folder, 120, before=disk)
            fits = said.status == 0 and said.is_clean  # a small enough output
            yield Result(f"{words[0]}, {size} kB", fits or refused("", said).survived, str(said))


def _elsewhere(folder):
    weights(folder)
    clips(folder)
    (folder / "read_only").mkdir()
    read_only = mounts("-t", "tmpfs", "-o", "ro", "none", folder / "read_only")
    long = "x" * 300
    commands = [
        ["check-data", "videos"],
        *([name, "--video_folder", "videos", *TINY] for name in ("encode", "reconstruct", "evaluate")),
    ]
    for words in [*commands, _TRAIN]:
        for place in ("/proc/out", "/dev/full", "/dev/null/out", "read_only/out", long, "/".join(["y" * 200] * 30)):
            before = read_only if place.startswith("read_only") else None
            yield refused(
                f"{words[0]} to {place[:20]}", run([*words, "--output_path", place], folder, 120, before=before)
            )


def _output(folder):
    weights(folder)
    clips(folder)
    words = ["reconstruct", "--video_folder", "videos", *TINY, "--output_path"]
    for name, place in (("full", "/dev/full"), ("closed", None)):

        def before(place=place):
            for descriptor in (1, 2):
                os.close(descriptor)
                if place:
                    os.open(place, os.O_WRONLY)

        said = run([*words, name], folder, 300, before=before)
        made = len(list((folder / name / "reconstruction").rglob("*.mp4")))
        yield Result(name, said.status == 0 and made == 3, f"{said}, {made} videos")


def _no_shared_memory(folder):
    import mindone_tae

    data, root = _data(folder), Path(mindone_tae.__file__).parents[1]
    before = mounts("-t", "tmpfs", "-o", "ro,size=4k", "none", "/dev/shm")
    said = run([*_TRAIN, *data, "--output_path", "one"], folder, 300, before=before)
    yield done("train", said, (folder / "one/checkpoints/step_00000002").is_dir())
    ranks = f"import sys; sys.path.insert(0, {str(_TOOLS)!r})\n"
    ranks += "from check_recipes import on_two_ranks; from pathlib import Path\n"
    words = [*_TRAIN, "env.distributed=true", *data, "--output_path", "two"]
    said = str(folder / "said.txt")
    ranks += f"sys.exit(min(abs(on_two_ranks({words!r}, Path({str(folder)!r}), open({said!r}, 'w'))), 255))"
    unshared = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o ro,size=4k none /dev/shm && exec "$@"', "sh"]
    found = subprocess.run(
        [*unshared, sys.executable, "-c", ranks],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    yield Result(
        "two ranks",
        found.returncode == 0 and (folder / "two/checkpoints/step_00000002").is_dir(),
        f"status {found.returncode} {found.stderr[-200:]}",
    )


def _clock(folder):
    data = _data(folder)
    words = [*_TRAIN, *data, "train.steps=4", *FEATURES["evaluation"]["on"], "--output_path"]

    def back():
        real, begun = time.time, time.time()
        time.time = lambda: real() - (86400 if real() - begun > 2 else 0)  # a day, two seconds from now

    yield done("uninterrupted", run([*words, "whole"], folder, 300))
    said = run([*words, "during"], folder, 300, before=back)
    yield Result(
        "while it trains", said.status == 0 and not _differs(folder, "during"), f"{said} {_differs(folder, 'during')}"
    )
    said = run([*words, "between", "train.steps=2"], folder, 300)
    for path in (folder / "between").rglob("*"):
        os.utime(path, (time.time() + 86400,) * 2)  # as files look after the clock was set back by a day
    said = run([*words, "between", "--resume"], folder, 300)
    yield Result(
        "between sessions",
        said.status == 0 and not _differs(folder, "between"),
        f"{said} {_differs(folder, 'between')}",
    )


def _differs(folder, name):
    return (
        differences(folder / "whole", folder / name, "step_00000004")
        if (folder / name / "checkpoints/step_00000004").is_dir()
        else "no last step"
    )


def _long(folder):
    data = _data(folder)
    features = [
        key
        for name, level in (("ema", "on"), ("accumulation", "on"), ("shapes", "lengths"), ("discriminator", "3d"))
        for key in FEATURES[name][level]
    ]
    features += [
        "model.use_recompute=true",
        "train.eval_every=100",
        "train.keep_best=psnr",
        "train.save_every=100",
        "train.steps=2000",
    ]
    told = folder / "resident"

    def watched():
        from mindone_tae.zoo.run.log import TrainingLog

        note = TrainingLog.step

        def step(log, number, entry):
            note(log, number, entry)
            with open(told, "a") as lines:
                pages = Path("/proc/self/statm").read_text().split()[1]
                lines.write(f"{number} {int(pages) * resource.getpagesize()}\n")

        TrainingLog.step = step

    graph = [word for word in _TRAIN if word != "env.mode=1"]
    said = run([*graph, *data, *features, "env.mode=0", "--output_path", "out"], folder, 3600, before=watched)
    held = dict(map(int, line.split()) for line in told.read_text().splitlines()) if told.exists() else {}
    early, late = (
        max((held[step] for step in held if first < step <= last), default=0)
        for first, last in ((200, 400), (1800, 2000))
    )
    grown = late - early
    yield Result(
        "2,000 steps",
        said.status == 0 and late > 0 and grown < 50e6,
        f"{early / 1e6:.0f} MB at steps 200 to 400, {late / 1e6:.0f} MB at the end; {said}",
    )


def _frame(folder):
    import numpy as np
    from PIL import Image

    (folder / "videos").mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (2160, 3840, 3), np.uint8)).save(folder / "videos/4k.png")
    peak = folder / "peak"
    words = [
        "reconstruct",
        "--video_folder",
        "videos",
        "--ckpt_path",
        "tiny",
        "env.mode=0",  # as many tiles have one shape
        f"model.memory_budget_gb={_BUDGET_GB}",
        "--image_size",
        "2160,3840",
    ]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def noted():
        import mindone_tae.cli as cli

        finish = os._exit

        def leave(status):
            peak.write_text(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))
            finish(status)

        cli.os._exit = leave

    said = run([*words, "--output_path", "out"], folder, 3600, before=noted)
    taken = int(peak.read_text()) - before if peak.exists() else 0
    # the frames themselves, and their pictures, come on top of what the network takes
    yield Result(
        "a 4K frame",
        said.status == 0 and taken < (_BUDGET_GB + 1.5) * _GIB,
        f"{taken / 1e9:.2f} GB more than at its start; {said}",
    )


def _fuzz(folder):
    words = [sys.executable, str(_TOOLS / "fuzz_files.py"), "--variants", "5000", "--folder", str(folder / "fuzz")]
    found = subprocess.run(words, capture_output=True, text=True, errors="replace")
    table = [
        line for line in found.stdout.splitlines() if line.startswith(("all ", "TRACE", "DEATH", "HANG", "MEMORY"))
    ]
    yield Result("5,000 variants", found.returncode == 0, "; ".join(table)[:300] or found.stderr[-300:])
    shutil.rmtree(folder / "fuzz", ignore_errors=True)


def _combinations(folder):
    found = subprocess.run(
        [sys.executable, str(_TOOLS / "combinations.py")], capture_output=True, text=True, errors="replace"
    )
    yield Result(
        "every pair of features",
        found.returncode == 0,
        (found.stdout.strip().splitlines() or [found.stderr[-300:]])[-1],
    )


ATTACKS = [
    Attack("disk full", "six commands on a disk of 4 and of 40 kB", _full, slow=True),
    Attack("no place", "five commands to /proc, /dev/full, a read-only disk and names too long", _elsewhere),
    Attack("no output", "reconstruct with its output closed and on a full device", _output),
    Attack(
        "no shared memory",
        "training in one process and on two ranks without a /dev/shm to write to",
        _no_shared_memory,
        slow=True,
    ),
    Attack("clock", "a clock set back by a day while it trains and between two sessions", _clock, slow=True),
    Attack("2,000 steps", "memory over 2,000 steps with every feature on", _long, slow=True),
    Attack("4K frame", f"a frame of 3840x2160 with memory_budget_gb {_BUDGET_GB:g}", _frame, slow=True),
    Attack(
        "fuzz",
        "5,000 damaged files of every kind: tracebacks, deaths, hangs over 10 s, memory over 2 GB",
        _fuzz,
        slow=True,
    ),
    Attack(
        "combinations", "every pair of training features trains and resumes to the same bits", _combinations, slow=True
    ),
]
