"""A command stopped by a signal at any point prints one line that says how to resume."""

import ctypes
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import mindone_tae
from mindone_tae import cli
from mindone_tae.cli import sigterm
from mindone_tae.zoo.atomic_file import replacing
from mindone_tae.zoo.training.stopping import Stopped

ROOT = Path(mindone_tae.__file__).parent.parent
CLIPS = ["--video_folder", "clips", "--output_path", "out"]


@pytest.mark.parametrize(
    "words, number, told",
    [
        (
            ["encode", *CLIPS, "--ckpt_path", "tiny.safetensors"],
            signal.SIGTERM,
            "the same command goes on with the others",
        ),
        (["evaluate", *CLIPS, "--ckpt_path", "tiny.safetensors"], signal.SIGINT, "the same command starts again"),
        (["train", *CLIPS, "--config", "tae/train/tiny_64x64x8"], signal.SIGHUP, "--resume goes on from there"),
    ],
)
def test_a_signal_while_mindspore_is_imported_is_one_line(tmp_path, words, number, told):
    (tmp_path / "clips").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "mindone_tae", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 60
    while not (tmp_path / "out/mindspore.log").exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)  # made just before MindSpore is imported
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number, err
    assert len(err.splitlines()) == 1 and err.startswith("asked to stop: ") and told in err and out == ""
    assert not list((tmp_path / "out").rglob("*.tmp*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_block_is_left_by_way_of_what_tidies_up_and_handlers_are_given_back(number):
    before, tidied = [signal.getsignal(n) for n in sigterm.SIGNALS], []
    with pytest.raises(Stopped, match="go on so") as caught:
        with sigterm.stoppable("go on so", print):
            try:
                os.kill(os.getpid(), number)
                os.kill(os.getpid(), number)
            except Exception:  # no handler of errors keeps it
                pytest.fail("taken for an error")
            finally:
                tidied.append(True)
    assert caught.value.number == number and tidied == [True]
    assert [signal.getsignal(n) for n in sigterm.SIGNALS] == before


def test_a_main_thread_that_hears_nothing_is_ended_and_leaves_nothing_half_written(tmp_path, monkeypatch):
    monkeypatch.setattr(sigterm, "_GRACE_SECONDS", 0.2)
    if (pid := os.fork()) == 0:
        try:
            with (
                sigterm.stoppable("go on so", (tmp_path / "told").write_text),
                replacing(tmp_path / "file") as temporary,
            ):
                temporary.write_text("half")
                signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # the other thread's handler runs
                threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
                ctypes.CDLL(None).sleep(60)  # as a compilation, which does not come back to Python
        finally:
            os._exit(1)  # whatever happens, this is no second pytest
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 143
    assert (tmp_path / "told").read_text() == "go on so"
    assert [path.name for path in tmp_path.iterdir()] == ["told"]


def test_a_signal_at_the_very_end_of_the_block_is_told_as_any_other(monkeypatch, capsys):
    before, ignored = signal.getsignal(signal.SIGTERM), []
    monkeypatch.setattr(sys, "unraisablehook", ignored.append)

    class Left:
        """The context, with a signal where Python has left the block and not yet called what ends it."""

        def __init__(self, *given):
            self.context = sigterm.stoppable(*given)

        def __enter__(self):
            return self.context.__enter__()

        def __exit__(self, *exception):
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(cli, "stoppable", Left)
    assert cli.run(["list"]) == 128 + signal.SIGTERM
    gc.collect()
    assert capsys.readouterr().err.startswith("asked to stop: nothing was written")
    assert not ignored and signal.getsignal(signal.SIGTERM) == before


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with sigterm.stoppable("go on so", print):
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("closed", ["1", "2", "full"])
def test_output_that_cannot_be_written_is_dropped(tmp_path, closed):
    redirect = ">/dev/full" if closed == "full" else f"{closed}>&-"
    command = f"{sys.executable} -m mindone_tae list {redirect}"
    done = subprocess.run(
        command, shell=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr
    assert ("tae" in done.stdout) == (closed == "2")
