"""Processes that are killed or asked to stop, and what a run is afterwards."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from check_recipes import on_two_ranks
from combinations import FEATURES, SMALL, differences

from .running import TINY, Attack, Result, clips, done, files_of, run, weights

TOOLS = Path(__file__).parents[1]
_RECIPE = "tae/train/tiny_64x64x8"


def _after(seconds, number):
    """A function for `during`: sends a signal after so many seconds, where the process still runs."""

    def send(pid):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                return
            time.sleep(0.01)
        os.kill(pid, number)

    return send


def _repeated(words, folder, whole, kills, rng, again=()):
    """Kills a command at random moments, repeating it with `again` behind, then lets it end.

    Args:
        words: of the command, which writes to out.
        folder: to run it in.
        whole: seconds that it takes.
        kills: how many; fewer where it ends before.
        rng: draws the moments.

    Returns:
        Said of the last, and how many kills struck.
    """
    struck = 0
    for _ in range(kills):
        more = again if (folder / "out/checked.jsonl").exists() or not again else ()
        said = run([*words, *more], folder, 300, during=_after(rng.uniform(0.05, whole), signal.SIGKILL))
        if said.status != -signal.SIGKILL:
            break
        struck += 1
    more = again if (folder / "out/checked.jsonl").exists() or not again else ()
    return run([*words, *more], folder, 300), struck


def _check_data(folder):
    clips(folder, [f"{number:02}.mp4" for number in range(24)])
    words, rng = ["check-data", "videos", "--output_path"], random.Random(0)
    first = run([*words, "whole", "--workers", "1"], folder, 300)
    yield done("uninterrupted", first)
    for number in range(3):
        shutil.rmtree(folder / "out", ignore_errors=True)
        said, struck = _repeated([*words, "out", "--workers", "1"], folder, first.seconds, 4, rng, ["--resume"])
        same = (folder / "out/manifest.csv").read_bytes() == (folder / "whole/manifest.csv").read_bytes()
        halves = [path for path in (folder / "out").rglob("*.tmp*")]
        yield Result(
            f"{struck} kills",
            said.status == 0 and same and struck > 0,
            f"{said}; same manifest: {same}; {len(halves)} halves",
        )


def _encode(folder):
    weights(folder)
    clips(folder, [f"{number}.mp4" for number in range(8)])
    for kind, more in (("files", []), ("shards", ["--shard_size_mb", "0.01"])):
        words, rng = ["encode", "--video_folder", "videos", *TINY, *more, "--output_path"], random.Random(1)
        first = run([*words, "whole"], folder, 300)
        said, struck = _repeated([*words, "out"], folder, first.seconds, 5, rng)
        same = files_of(folder / "out") == files_of(folder / "whole")
        yield Result(f"{kind}, {struck} kills", said.status == 0 and same and struck > 0, f"{said}; same files: {same}")
        for name in ("out", "whole"):
            shutil.rmtree(folder / name)


def _signals(folder):
    weights(folder)
    clips(folder, [f"{number}.mp4" for number in range(12)], frames=33)
    commands = [
        [name, "--video_folder", "videos", *TINY, "--output_path"] for name in ("encode", "evaluate", "reconstruct")
    ]
    commands.append(["check-data", "videos", "--workers", "1", "--output_path"])
    run(["encode", "--video_folder", "videos", *TINY, "--output_path", "latents"], folder, 300)
    commands.append(["decode", "--latent_folder", "latents", *TINY[:2], "--output_path"])
    rng = random.Random(2)
    for words in commands:
        whole = run([*words, f"whole_{words[0]}"], folder, 300).seconds
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            # MindSpore makes SIGTERM of a Ctrl-C that comes while it computes.
            statuses = {128 + number, 128 + signal.SIGTERM} if number == signal.SIGINT else {128 + number}
            for moment in (0.02, rng.uniform(0.1, 0.7) * whole):
                for _ in range(3):  # sooner where the command, faster than the one that was timed, had ended before
                    out = f"{words[0]}_{number}_{moment:.2f}"
                    said = run([*words, out], folder, 120, during=_after(moment, number))
                    if said.status or moment < 0.1:
                        break
                    moment /= 2
                lines = said.err.replace("\r", "\n").splitlines()
                told = [line for line in lines if line.startswith(("asked to stop", "stopped by the keyboard"))]
                halves = list((folder / out).rglob("*.tmp*"))
                # Before Python knows of the signal it ends the process by itself.
                ended = said.status in statuses and len(told) == 1 or said.status in (-number, 0) and moment < 0.1
                yield Result(
                    f"{words[0]} {number.name} {moment:.2f} s", ended and said.is_clean and not halves, str(said)
                )


def _discriminator(folder):
    from mindone_tae.data import make_sample_clips

    make_sample_clips(folder / "clips", train=3, test=1, frames=8, size=(48, 64))
    data = [f"dataset.csv_path={folder}/clips/train.csv", f"dataset.folder={folder}/clips"]
    data += [f"eval.dataset.csv_path={folder}/clips/test.csv"]
    own = [
        *FEATURES["discriminator"]["3d"],
        "train.steps=160",
        "train.save_every=5",
        "adversarial.start_step=20",
        "train.ema_decay=0.9",
    ]
    command = [
        sys.executable,
        str(TOOLS / "kill_run.py"),
        "--config",
        _RECIPE,
        "--output_path",
        "killed",
        "--kills",
        "15",
    ]
    said = subprocess.run(
        [*command, "env.mode=1", *SMALL, *data, *own], cwd=folder, capture_output=True, text=True, errors="replace"
    )
    last = said.stdout.strip().splitlines()[-1:] or [said.stderr[-300:]]
    kills = sum(line.startswith("kill ") for line in said.stdout.splitlines())
    yield Result(f"{kills} kills", said.returncode == 0 and kills == 15, last[0])


def _ranks(folder, discriminator):
    from mindone_tae.data import make_sample_clips

    make_sample_clips(folder / "clips", train=4, test=1, frames=8, size=(48, 64))
    data = [
        "--csv_path",
        f"{folder}/clips/train.csv",
        "--video_folder",
        f"{folder}/clips",
        f"eval.dataset.csv_path={folder}/clips/test.csv",
    ]
    own = ["train.steps=12", "train.save_every=2", *(FEATURES["discriminator"]["2d"] if discriminator else [])]
    words = ["train", "--config", _RECIPE, *data, "env.distributed=true", *SMALL, *own, "--resume", "--output_path"]
    with open(folder / "said.txt", "w") as said:
        whole = on_two_ranks([*words, "whole"], folder, said)
        yield Result("uninterrupted", whole == 0, f"status {whole}")
        for victim in (0, 1):
            out = f"killed{victim}"
            started = time.monotonic()
            pid = os.fork()
            if pid == 0:
                os._exit(min(abs(on_two_ranks([*words, out], folder, said)), 255))
            struck = _kill_rank(folder / out, victim)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            seconds = time.monotonic() - started
            yield Result(f"rank {victim} killed", struck and status != 0, f"status {status} after {seconds:.0f} s")
            status = on_two_ranks([*words, out], folder, said)
            last = [run / "checkpoints/step_00000012" for run in (folder / "whole", folder / out)]
            found = (
                differences(folder / "whole", folder / out, "step_00000012")
                if all(map(Path.is_dir, last))
                else "no last step"
            )
            yield Result(f"resumed after rank {victim}", status == 0 and not found, found or "same bits")


def _kill_rank(run_folder, victim):
    """Kills one rank's process once two steps are saved; whether it was found."""
    until = time.monotonic() + 300
    while time.monotonic() < until and not (run_folder / "checkpoints/step_00000002").exists():
        time.sleep(0.05)
    wanted = {b"RANK_ID=%d" % victim, b"MS_ROLE=MS_WORKER"}
    for process in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            words = (process / "cmdline").read_bytes()
            held = set((process / "environ").read_bytes().split(b"\0"))
            # of our own run only: by the folder that it writes to
            if wanted <= held and b"mindone_tae" in words and os.fsencode(run_folder.name) in words.split(b"\0"):
                if Path(os.readlink(process / "cwd")) == run_folder.parent:
                    os.kill(int(process.name), signal.SIGKILL)
                    return True
    return False


ATTACKS = [
    Attack(
        "signals", "SIGTERM, Ctrl-C and SIGHUP at the start and in the middle of five commands", _signals, slow=True
    ),
    Attack(
        "kill check-data",
        "SIGKILL of check-data at random moments; the manifest is that of one nobody killed",
        _check_data,
        slow=True,
    ),
    Attack(
        "kill encode",
        "SIGKILL of encode at random moments; files and shards are those of one nobody killed",
        _encode,
        slow=True,
    ),
    Attack(
        "kill training",
        "15 SIGKILLs spread over a run with a discriminator; equal bit for bit to one nobody killed",
        _discriminator,
        slow=True,
    ),
    Attack(
        "kill a rank",
        "each of two ranks killed under msrun; the other ends, and resumed it is equal bit for bit",
        lambda folder: _ranks(folder, False),
        slow=True,
    ),
    Attack("kill a judged rank", "the same with a discriminator", lambda folder: _ranks(folder, True), slow=True),
]
