"""`reconstruct`, `decode` and `latent-stats` with unreadable clips, and cleanup after interrupted calls."""

import json
import os
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from mindone_tae.cli import run
from mindone_tae.data import TAEVideoDataset, UnreadableVideo, VideoWriter, open_video
from mindone_tae.zoo.recipe.files import find_recipe

pytestmark = pytest.mark.apart


@pytest.fixture
def reconstruct(words_on_videos, videos, capsys):
    """reconstruct(*words) runs the command here and gives what it printed."""

    def call(*words, status=0):
        assert run(words_on_videos("reconstruct", "--output_path", "out", *words)) == status
        return capsys.readouterr()

    return call


def written():
    return {str(path.relative_to("out/reconstruction")) for path in Path("out/reconstruction").glob("**/*.mp4")}


def test_what_a_killed_call_left_is_removed_and_what_a_living_one_writes_is_not(reconstruct):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    folder = Path("out/reconstruction/deep")
    folder.mkdir(parents=True)
    left, living, elsewhere = (
        folder / f".{name}.{number}.tmp.mp4"
        for name, number in (("x", ended.pid), ("x", os.getpid()), ("y", ended.pid))
    )
    for path in (left, living, elsewhere):
        path.write_bytes(b"half")
    for path in (left, living):
        os.utime(path, (0, 0))
    reconstruct()
    assert not left.exists() and living.exists()
    assert elsewhere.exists()  # a moment ago somebody wrote to it


def test_outputs_among_the_videos_are_no_videos(reconstruct, videos):
    reconstruct("--output_path", "videos/outputs/first")
    assert list(videos.glob("outputs/first/**/*.mp4"))
    told = reconstruct().err
    assert "left out" in told and "videos/outputs/first: a command wrote to it" in told
    assert written() == {"a.mp4.mp4", "b.mp4.mp4", "deep/c.mp4.mp4", "deep/d.gif.mp4"}


@pytest.mark.parametrize("batch_size", ["1", "3"])
def test_a_file_that_declares_frames_and_cannot_decode_them_is_left_out(reconstruct, videos, batch_size):
    path = videos / "b.mp4"
    with av.open(str(path)) as video:
        places = [(packet.pos, packet.size) for packet in video.demux(video=0) if packet.size]
    raw = bytearray(path.read_bytes())
    for start, size in places[3:]:
        raw[start : start + size] = bytes(size)
    path.write_bytes(raw)
    shown = reconstruct("--batch_size", batch_size)
    assert written() == {"a.mp4.mp4", "deep/c.mp4.mp4", "deep/d.gif.mp4"} and shown.err.count("left out: ") == 1
    assert (
        "3 clips" in shown.out
        and "1 file cannot be used" in shown.out
        and "b.mp4" in Path("out/unreadable.csv").read_text()
    )
    assert not list(Path("out").glob("**/.*.tmp*"))


@pytest.mark.parametrize("command", ["reconstruct", "decode"])
@pytest.mark.parametrize(
    "rate, told, written_rate", [(90000, "90000", 1000), (Fraction(1, 3000), "0.000333333", 0.001)]
)
def test_a_rate_that_no_video_may_have_is_bounded_and_told_and_stops_no_other_clip(
    command, rate, told, written_rate, reconstruct, encode, decode_words, videos, capsys
):
    with av.open(str(videos / "b.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.height, stream.width, stream.pix_fmt = 16, 24, "yuv420p"
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((16, 24, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode())
    if command == "decode":
        encode("cache")
        assert run(decode_words("cache", "out/reconstruction")) == 0
        shown = capsys.readouterr()
    else:
        shown = reconstruct()
    assert written() == {"a.mp4.mp4", "b.mp4.mp4", "deep/c.mp4.mp4", "deep/d.gif.mp4"}
    said = f"has {told} frames a second; its video is written with {written_rate:g}: videos have 0.001 to 1000"
    assert shown.err.count(said) == 1 and "b.mp4" in shown.err
    with open_video("out/reconstruction/b.mp4.mp4") as video:
        assert len(video) == 5 and video.fps == pytest.approx(written_rate)


@pytest.mark.parametrize("command", ["reconstruct", "decode"])
def test_sigterm_leaves_with_143_and_one_line_and_nothing_half_written(
    command, reconstruct, encode, decode_words, capsys, monkeypatch
):
    write, frames = VideoWriter.write, []

    def stopped(writer, frame):
        write(writer, frame)
        frames.append(writer)
        if "b.mp4" in writer.path and frames.count(writer) == 3:
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGTERM)

    if command == "decode":
        encode("cache")
    monkeypatch.setattr(VideoWriter, "write", stopped)
    before = signal.getsignal(signal.SIGTERM)
    if command == "reconstruct":
        error, first = reconstruct(status=143).err, Path("out/reconstruction/a.mp4.mp4")
    else:
        assert run(decode_words("cache", "out")) == 143
        error, first = capsys.readouterr().err, Path("out/a.mp4.mp4")
    assert signal.getsignal(signal.SIGTERM) is before
    assert (
        error.splitlines()[-1].startswith("asked to stop: finished files are kept, unfinished ones removed")
        and "Traceback" not in error
    )
    assert first.exists() and not list(Path("out").rglob("*b.mp4*")) and not list(Path("out").rglob("*.tmp*"))


def test_latent_stats_leaves_a_video_that_fails_half_way_out_whole(words_on_videos, videos, monkeypatch, capsys):
    words = words_on_videos("latent-stats", "--output_path")
    (videos / "b.mp4").rename("b.mp4")
    assert run([*words, "without"]) == 0
    Path("b.mp4").rename(videos / "b.mp4")
    stream = TAEVideoDataset.stream

    def failing(dataset, index, chunk_frames=16):
        yield from stream(dataset, index, 4)
        if dataset.describe(index)["relative_path"] == "b.mp4":
            raise UnreadableVideo(dataset.describe(index)["path"], "frame 8 cannot be decoded")

    monkeypatch.setattr(TAEVideoDataset, "stream", failing)
    assert run([*words, "with", "--batch_size", "2"]) == 0
    assert "1 file cannot be used" in capsys.readouterr().out
    found = [json.loads(Path(folder, "latent_stats.json").read_text()) for folder in ("with", "without")]
    assert found[0]["source"]["clips"] == found[1]["source"]["clips"] == 3
    assert found[0]["overall"]["mean"] == pytest.approx(found[1]["overall"]["mean"], rel=1e-4)


def test_without_a_video_named_the_recipes_own_clips_are_said_to_be_the_training_ones(videos, weights, capsys):
    words = ["--ckpt_path", str(weights / "0.safetensors"), "--image_size", "8,16", "--output_path", "out"]
    Path("own.yaml").write_text(
        find_recipe("tae/infer/look").read_text().replace("folder: null", "folder: videos/deep")
    )
    narrow = ["env.mode=1", "model.block_out_channels=[8,8,8,8]", "model.layers_per_block=1", "model.norm_num_groups=4"]
    assert run(["reconstruct", "--config", "own.yaml", *words, *narrow]) == 0
    assert "these are the clips that the recipe trains on, videos/deep" in capsys.readouterr().out
    assert run(["reconstruct", *words]) == 2
    assert "name files or folders, as in mindone-tae reconstruct my.mp4" in capsys.readouterr().err
