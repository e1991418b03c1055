import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from mindone_tae.data.readers.base import UnreadableVideo
from mindone_tae.data.readers.isolated import bounded_reader
from mindone_tae.data.readers.isolated.bounded_reader import BoundedReader
from mindone_tae.data.readers.isolated.reader_pool import ReaderPool
from mindone_tae.data.readers.opening import open_video
from mindone_tae.data.tae_video import TAEVideoDataset
from mindone_tae.zoo import UserError


@pytest.fixture
def pool():
    pool = ReaderPool("misbehaving_reader:open_misbehaving")
    yield pool
    pool.close()


@pytest.fixture
def touch(tmp_path):
    def touch(name):
        (tmp_path / name).write_bytes(b"-")
        return str(tmp_path / name)

    return touch


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def running(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_frames_are_those_read_in_this_process(make_video):
    path = make_video("clip.mp4")
    numbers, box = [17, 3, 3, 23], (16, 0, 80, 64)
    with open_video(path) as here, open_video(path, timeout_s=30) as there:
        assert (len(there), there.size, there.fps, there.name, there.codec) == (24, (64, 96), 20.0, here.name, "h264")
        assert np.array_equal(there.read(numbers), here.read(numbers))
        assert np.array_equal(there.read_resized(numbers, (32, 32), box), here.read_resized(numbers, (32, 32), box))
        assert np.array_equal(np.stack(list(there.frames())), np.stack(list(here.frames())))
        assert there.read([]).shape == (0, 64, 96, 3)
        with pytest.raises(IndexError, match="0 to 23"):
            there.read_resized([24], (32, 32), box)


def test_reason_of_a_bad_file_is_that_of_this_process(touch):
    with pytest.raises(UnreadableVideo, match="bad.mp4: not a video: Invalid data"):
        open_video(touch("bad.mp4"), timeout_s=30)
    with pytest.raises(UnreadableVideo, match="gone.mp4: no such file"):
        open_video("gone.mp4", timeout_s=30)


@pytest.mark.parametrize(
    "name, reason", [("open_hang", "opening it took more than 1 s"), ("open_crash", r"crashed the decoder \(SIGSEGV\)")]
)
def test_file_that_hangs_or_crashes_on_opening_costs_its_process_and_nothing_else(pool, touch, name, reason):
    with BoundedReader(touch("good.mp4"), "decord", 1, pool) as good:
        first = good._process.pid
        before = descriptors()
    started = time.monotonic()
    with pytest.raises(UnreadableVideo, match=reason):
        BoundedReader(touch(f"{name}.mp4"), "decord", 1, pool)
    assert time.monotonic() - started < 30 and not running(first)  # it would hang for 100
    with BoundedReader(touch("good.mp4"), "decord", 1, pool) as good:
        assert good._process.pid != first and good.read([3])[0, 0, 0, 0] == 3
        assert descriptors() == before


@pytest.mark.parametrize(
    "name, reason",
    [
        ("read_hang", "reading it took more than 1 s and was stopped"),
        ("read_sleep", "reading it took more than 1 s"),
        ("read_crash", "SIGSEGV"),
        ("read_error", "KeyError: 'no room'"),
        ("read_memory", r"it takes more memory than read_memory_mb allows \(300 MB\)"),
        ("read_hidden_memory", r"it takes more memory than read_memory_mb allows \(300 MB\)"),
    ],
)
def test_file_that_fails_while_it_is_read_is_unreadable(pool, touch, name, reason):
    with BoundedReader(touch(f"{name}.mp4"), "decord", 1 if "memory" not in name else 20, pool, memory_mb=300) as video:
        with pytest.raises(UnreadableVideo, match=reason):
            video.read([0])
    with BoundedReader(touch("good.mp4"), "decord", 20, pool, memory_mb=None) as good:
        assert good.read([3])[0, 0, 0, 0] == 3


@pytest.fixture
def short_pauses(monkeypatch):
    monkeypatch.setattr(bounded_reader, "_PAUSES", (0.0, 0.0, 0.1, 0.1))


@pytest.mark.parametrize("name", ["open_KILL", "read_KILL", "read_TERM", "read_STOP"])
def test_a_process_that_is_taken_away_from_outside_is_replaced_and_the_file_stays_good(
    pool, touch, short_pauses, monkeypatch, name
):
    monkeypatch.setattr("mindone_tae.data.readers.isolated.reader_pool._GRACE_SECONDS", 0.3)
    with BoundedReader(touch(f"{name}_3_times.mp4"), "decord", 1, pool) as video:
        assert video.read([2])[0, 0, 0, 0] == 2 and len(video) == 4


@pytest.mark.parametrize("name, signal_name", [("open_KILL", "SIGKILL"), ("read_TERM", "SIGTERM")])
def test_after_several_losses_it_is_said_as_a_fact_about_the_machine(pool, touch, short_pauses, name, signal_name):
    with pytest.raises(
        UserError, match=f"by no fault of its own: its process was lost 4 times.*killed from outside by {signal_name}"
    ) as caught:
        with BoundedReader(touch(f"{name}.mp4"), "decord", 1, pool) as video:
            video.read([0])
    assert not isinstance(caught.value, UnreadableVideo)


def test_a_kill_between_two_readings_changes_no_frame(pool, touch):
    with BoundedReader(touch("good.mp4"), "decord", 20, pool) as video:
        for number in (1, 3, 2):
            os.kill(video._process.pid, signal.SIGKILL)
            assert video.read([number])[0, 0, 0, 0] == number
    idle = pool._idle[-1].pid
    os.kill(idle, signal.SIGKILL)
    with BoundedReader(touch("other.mp4"), "decord", 20, pool) as video:
        assert video.read([3])[0, 0, 0, 0] == 3 and video._process.pid != idle


def test_no_process_to_be_had_is_the_machines_fault_too(pool, touch, short_pauses, monkeypatch):
    def refuse(*_, **__):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    before = descriptors()
    with pytest.raises(
        UserError, match="by no fault of its own.*none can be started: Resource temporarily unavailable"
    ):
        BoundedReader(touch("good.mp4"), "decord", 20, pool)
    assert descriptors() == before


def test_hanging_file_of_a_data_set_is_reported_and_the_others_are_served(pool, touch, tmp_path, monkeypatch):
    monkeypatch.setattr(bounded_reader, "_pool", pool)
    for name in ("a.mp4", "open_hang.mp4", "read_hang.mp4", "z.mp4"):
        touch(name)
    dataset = TAEVideoDataset(folder=str(tmp_path), size=8, sample_n_frames=2, reader="pyav", read_timeout_s=1)
    assert len(dataset) == 2 and dataset[1][0].shape == (3, 2, 8, 8)
    assert {os.path.basename(path): reason for path, reason in dataset.unreadable} == {
        "open_hang.mp4": "opening it took more than 1 s and was stopped",
        "read_hang.mp4": "reading it took more than 1 s and was stopped",
    }


def test_interrupted_reading_leaves_no_answer_for_the_next(pool, touch, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), BoundedReader(touch("a.mp4"), "decord", 5, pool) as video:
        monkeypatch.setattr("mindone_tae.data.readers.isolated.reader_pool.receive", interrupt)
        video.read([1])
    monkeypatch.undo()
    with BoundedReader(touch("b.mp4"), "decord", 5, pool) as video:
        assert video.read([3])[0, 0, 0, 0] == 3


def test_reading_processes_import_neither_mindspore_nor_the_main_module(touch):
    pool = ReaderPool("misbehaving_reader:tell_modules")
    with pytest.raises(UnreadableVideo) as caught:
        BoundedReader(touch("a.mp4"), "decord", 30, pool)
    pool.close()
    assert "mindspore" in sys.modules
    assert not {"mindspore", "mindone", "pytest"} & set(caught.value.reason.split())


def test_no_process_outlives_a_killed_parent(touch, tmp_path):
    """Neither an idle one nor one that hangs with the interpreter lock held, far from its time limit."""
    script = f"""
import sys, threading, time
sys.path[:] = {sys.path!r}
from mindone_tae.data.readers.isolated.bounded_reader import BoundedReader
from mindone_tae.data.readers.isolated.reader_pool import ReaderPool
pool = ReaderPool("misbehaving_reader:open_misbehaving")
idle, busy = (BoundedReader(path, "decord", 90, pool) for path in {[touch("good.mp4"), touch("read_hang.mp4")]!r})
print(idle._process.pid, busy._process.pid, flush=True)
idle.close()
threading.Thread(target=busy.read, args=([0],)).start()
time.sleep(0.3)
print("ready", flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert parent.stdout.readline() == "ready\n" and len(pids) == 2 and all(map(running, pids))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 20
    while any(map(running, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(running, pids))


@pytest.mark.parametrize("reader", ["decord", "pyav"])
def test_memory_of_a_reading_process_is_flat_over_many_opens(make_video, reader):
    pytest.importorskip(reader if reader == "decord" else "av")
    path, pool, used = make_video("clip.mp4", frames=9), ReaderPool(), []
    for count in range(1, 361):
        with BoundedReader(path, reader, 30, pool) as video:
            video.read_resized([0, 8], (32, 32), (0, 0, 96, 64))
            if count % 120 == 0:
                used.append(int(open(f"/proc/{video._process.pid}/statm").read().split()[1]))
    pool.close()
    assert used[2] < 1.03 * used[0]


def test_forked_process_reads_with_processes_of_its_own(touch):
    script = f"""
import os, sys
sys.path[:] = {sys.path!r}
from mindone_tae.data.readers.isolated.bounded_reader import BoundedReader
from mindone_tae.data.readers.isolated.reader_pool import ReaderPool
pool = ReaderPool("misbehaving_reader:open_misbehaving")

def read(number):
    with BoundedReader({touch("a.mp4")!r}, "decord", 20, pool) as video:
        return video._process.pid if video.read([number])[0, 0, 0, 0] == number else None

here = read(1)
child = os.fork()
if not child:
    os._exit(0 if read(2) not in (here, None) else 1)
print(os.waitpid(child, 0)[1], read(3) == here)
"""
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "0 True\n"
