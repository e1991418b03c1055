"""What `reconstruct` does with clips that cannot be read, and with what a killed one left."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mindone_tae.cli import run
from mindone_tae.data import TAEVideoDataset, UnreadableVideo


@pytest.fixture
def reconstruct(videos, weights, capsys):
    """reconstruct(*words) runs the command here and gives what it printed."""

    def call(*words):
        assert run(["reconstruct", "--ckpt_path", str(weights / "0.safetensors"), "--video_folder", "videos", "--image_size", "8,16", "--output_path", "out", *words]) == 0
        return capsys.readouterr()

    return call


def written():
    return {str(path.relative_to("out/reconstruction")) for path in Path("out/reconstruction").glob("**/*.mp4")}


def test_a_video_that_fails_half_way_is_left_out_and_the_others_are_not(reconstruct, monkeypatch):
    stream = TAEVideoDataset.stream

    def failing(dataset, index, chunk_frames=16):
        if dataset.describe(index)["relative_path"] != "b.mp4":
            return (yield from stream(dataset, index, chunk_frames))
        yield next(stream(dataset, index, 4))
        raise UnreadableVideo(dataset.describe(index)["path"], "frame 4 cannot be decoded")

    def short(dataset, index, chunk_frames=16):
        if dataset.describe(index)["relative_path"] == "b.mp4":
            raise UnreadableVideo(dataset.describe(index)["path"], "frame 4 cannot be decoded")
        yield from stream(dataset, index, 4)

    for way, batch_size in ((failing, "1"), (short, "3")):
        monkeypatch.setattr(TAEVideoDataset, "stream", way)
        shown = reconstruct("--batch_size", batch_size)
        assert written() == {"a.mp4.mp4", "deep/c.mp4.mp4", "deep/d.gif.mp4"}
        assert "3 clips" in shown.out and "1 files cannot be used" in shown.out
        assert "frame 4 cannot be decoded" in Path("out/unreadable.csv").read_text()
        assert not list(Path("out").glob("**/.*.tmp*"))


def test_what_a_killed_call_left_is_removed_and_what_a_living_one_writes_is_not(reconstruct):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    folder = Path("out/reconstruction/deep")
    folder.mkdir(parents=True)
    left, living = (folder / f".x.{number}.tmp.mp4" for number in (ended.pid, os.getpid()))
    for path in (left, living):
        path.write_bytes(b"half")
    reconstruct()
    assert not left.exists() and living.exists()
