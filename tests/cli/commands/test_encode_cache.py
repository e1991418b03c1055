"""encode over a collection: resumed, shared by processes, kept up to date, verified; and decode from either form."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mindspore as ms

import mindone_tae
from mindone_tae import TemporalAutoencoder
from mindone_tae.cli import run
from mindone_tae.data import VideoWriter, open_video, write_video
from mindone_tae.data.latents.folder import find_latents
from mindone_tae.data.readers.base import UnreadableVideo
from mindone_tae.data.tae_video import TAEVideoDataset
from mindone_tae.weights import save_weights

pytestmark = pytest.mark.apart

FRAMES = {"a.mp4": 9, "b.mp4": 9, "deep/c.mp4": 3, "deep/d.gif": 9}  # of the clips that `videos` makes
SHARDS = ["--shard_size_mb", "0.0007"]  # two of the four clips


def numbers(folder):
    latents, problems = find_latents(Path(folder))
    assert not problems
    return {latent.name: latent.read() for latent in latents}


def files_of(folder):
    return {
        path.name: path.read_bytes()
        for path in Path(folder).glob("*")
        if path.suffix in (".safetensors", ".json") or ".tmp" in path.name
    }


KILLED = """
import os, signal
from mindone_tae.zoo import atomic_file
calls = 0
def replace(*paths):
    global calls
    calls += str(paths[1]).endswith("{end}")
    if calls == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    os.replace(*paths)
atomic_file.os = type("os", (), {{**vars(os), "replace": staticmethod(replace)}})
"""


def test_a_cache_killed_twice_ends_like_one_that_was_not_and_says_what_was_left(
    encode, encode_words, forked_commands, tmp_path
):
    words = encode_words("--output_path", "killed", *SHARDS)
    for end in (".safetensors", ".json"):  # before the first shard appears; with it, but not in the index
        process = forked_commands.start(words, cwd=tmp_path, before=KILLED.format(end=end))
        _, err = process.communicate()
        assert process.returncode == -9, err
    assert any(".tmp" in name for name in files_of("killed"))
    said = encode("killed", *SHARDS).out
    assert "4 clips: 2 up to date, 2 missing, 0 stale, 0 damaged" in said
    assert "4 clips: 0 up to date, 4 missing" in encode("whole", *SHARDS).out
    assert files_of("killed") == files_of("whole") and len(files_of("whole")) == 3


def test_a_rerun_does_what_is_missing_or_stale_and_says_how_many_of_each(encode, videos, weights):
    first = encode("cache", "--batch_size", 2)
    assert "4 clips: 0 up to date, 4 missing, 0 stale, 0 damaged" in first.out
    assert re.search(r"frames a second in the first clips; about 00:\d\d for the other 27 frames", first.err)
    told, written = (
        re.search(r"to write: about (\S+ MB) for 30 frames; the disk has .* free", first.out)[1],
        re.search(r"4 latents, (\S+ MB)", first.out)[1],
    )
    assert told == written == f"{2 * 4 * 16 * (3 * 2 + 1) * 2 / 1e6:.3g} MB"
    before = {path: path.stat().st_mtime_ns for path in Path("cache").rglob("*.safetensors")}
    assert "4 up to date, 0 missing, 0 stale" in encode("cache").out

    os.utime(videos / "a.mp4")
    Path("cache/b.mp4.safetensors").unlink()
    Path("cache/deep/d.gif.safetensors").write_bytes(b"half")
    write_video(videos / "new.mp4", np.zeros((2, 8, 16, 3), np.uint8), fps=10)
    assert "5 clips: 1 up to date, 2 missing, 1 stale (1 source changed), 1 damaged" in encode("cache").out
    after = {path: path.stat().st_mtime_ns for path in Path("cache").rglob("*.safetensors")}
    assert [path.name for path in before if after[path] == before[path]] == ["c.mp4.safetensors"]

    (videos / "new.mp4").unlink()
    said = encode("cache", "--convention", "mindone").out
    assert (
        "4 clips: 0 up to date, 0 missing, 4 stale (4 other settings), 0 damaged; "
        "1 latents of other clips are left alone" in said
    )
    other = encode("cache", "--ckpt_path", weights / "1.safetensors").out
    assert "4 stale (4 other checkpoint)" in other


def test_latents_tell_what_they_are_made_of(encode, videos):
    encode("cache")
    clip = numbers("cache")["a.mp4"]
    assert (clip.frames, clip.fps, clip.size, clip.source, clip.seed) == (9, 10.0, (8, 16), "a.mp4", None)
    assert clip.crop == pytest.approx((0, 2, 24, 14))  # of 16x24 the middle 12x24
    assert clip.source_state == ((videos / "a.mp4").stat().st_size, (videos / "a.mp4").stat().st_mtime_ns)
    assert re.fullmatch("[0-9a-f]{64}", clip.model["sha256"]) and clip.model["name"] == "tae"


def test_verify_finds_a_latent_that_is_not_of_its_video(encode):
    said = encode("cache", *SHARDS, "--verify", 4).out
    assert "verified 4 clips: largest difference" in said
    assert float(re.search(r"largest difference (\S+)", said)[1]) < 1e-5
    shard = Path("cache/latents-00001.safetensors")
    raw = bytearray(shard.read_bytes())
    raw[-4:] = np.float32(9).tobytes()
    shard.write_bytes(raw)
    shown = encode("cache", *SHARDS, "--verify", 4, status=2)
    assert "1 of 4 latents are not what this model gives" in shown.err and "4 up to date" in shown.out


def test_samples_depend_on_neither_order_nor_processes_nor_batches(encode):
    encode("posterior")
    encode("alone", "--sample", "--batch_size", 3)
    for rank in (1, 0):
        shared = encode("shared", "--sample", *SHARDS, "--rank", rank, "--world", 2).out
        assert f"clips of process {rank} of 2: 0 up to date" in shared
    encode("other", "--sample", "train.seed=7")
    posterior, alone, shared, other = (numbers(name) for name in ("posterior", "alone", "shared", "other"))
    assert set(posterior) == set(alone) == set(shared) == set(FRAMES)
    noise = {}
    for name in FRAMES:
        np.testing.assert_allclose(shared[name].sample, alone[name].sample, atol=1e-5)
        assert alone[name].mean is None and alone[name].seed == 42 and other[name].seed == 7
        noise[name] = (alone[name].sample - posterior[name].mean) / np.exp(0.5 * posterior[name].logvar)
        assert np.abs(other[name].sample - alone[name].sample).max() > 0.1
    drawn = np.concatenate([array.ravel() for array in noise.values()])
    assert abs(drawn.mean()) < 0.25 and abs(drawn.std() - 1) < 0.2
    assert np.abs(noise["a.mp4"] - noise["b.mp4"]).max() > 0.5


def test_decode_gives_length_and_frame_rate_back_from_either_form(encode, decode_words, monkeypatch):
    # compares the frames given to the writer, not the video's: frames that differ by rounding may be coded differently
    handed, write = {}, VideoWriter.write
    monkeypatch.setattr(
        VideoWriter,
        "write",
        lambda writer, frame: (handed.setdefault(str(writer.path), []).append(frame.astype(int)), write(writer, frame)),
    )
    encode("files")
    encode("shards", *SHARDS, "--convention", "diffusers")
    for form in ("files", "shards"):
        assert run(decode_words(form, f"from_{form}", "--batch_size", 2)) == 0
    for name, frames in FRAMES.items():
        for form in ("files", "shards"):
            with open_video(f"from_{form}/{name}.mp4") as reader:
                assert (len(reader), reader.size, reader.fps) == (frames, (8, 16), pytest.approx(10, rel=0.01)), name
        first, second = (handed[f"from_{form}/{name}.mp4"] for form in ("files", "shards"))
        assert np.abs(np.array(first) - np.array(second)).max() <= 1


def test_decode_says_that_latents_are_of_other_weights(encode, decode_words, capsys):
    encode("cache")
    for number, told in ((0, False), (1, True)):
        assert run(decode_words("cache", "back", number=number)) == 0
        assert ("other weights than these" in capsys.readouterr().out) is told


def test_a_video_that_fails_half_way_is_left_out_and_told(encode, monkeypatch):
    stream = TAEVideoDataset.stream

    def failing(dataset, index, chunk_frames=16):
        yield from stream(dataset, index, chunk_frames)
        if dataset.describe(index)["relative_path"] == "b.mp4":
            raise UnreadableVideo(dataset.describe(index)["path"], "frame 8 cannot be decoded")

    monkeypatch.setattr(TAEVideoDataset, "stream", failing)
    shown = encode("cache", "--batch_size", 3)
    assert set(numbers("cache")) == set(FRAMES) - {"b.mp4"}
    assert (
        "1 file cannot be used" in shown.out and "frame 8 cannot be decoded" in Path("cache/unreadable.csv").read_text()
    )


def test_the_process_that_msrun_starts_beside_its_workers_encodes_nothing(encode, monkeypatch):
    monkeypatch.setenv("MS_ROLE", "MS_SCHED")
    assert encode("cache").out == "" and not Path("cache").exists()


def test_msruns_environment_says_whose_part_is_whose(encode, monkeypatch):
    monkeypatch.setenv("MS_ROLE", "MS_WORKER")
    monkeypatch.setenv("RANK_SIZE", "2")
    assert "--rank (RANK_ID) is missing" in encode("cache", status=2).err
    monkeypatch.setenv("RANK_ID", "2")
    assert "ranks go from 0 to 1" in encode("cache", status=2).err
    monkeypatch.setenv("RANK_ID", "1")
    assert "of process 1 of 2" in encode("cache").out


def test_two_hosts_under_msrun_encode_what_one_process_does(encode, encode_words, tmp_path):
    encode("one", *SHARDS)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [Path(sys.executable).with_name("msrun"), "--worker_num=2", "--local_worker_num=1", "--join=True"]
    command += ["--master_addr=127.0.0.1", f"--master_port={port}"]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(Path(mindone_tae.__file__).parents[1])}
    hosts = []
    for number in range(2):
        words = [f"--node_rank={number}", f"--log_dir=logs{number}", "python", "-m", "mindone_tae"]
        words += encode_words("--output_path", "two", *SHARDS)
        hosts.append(
            subprocess.Popen(
                list(map(str, [*command, *words])), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        )
    said = [host.communicate(timeout=300)[0].decode(errors="replace") for host in hosts]
    assert [host.returncode for host in hosts] == [0, 0], said
    shares = [int(re.search(rf"(\d) clips of process {number} of 2", said[number])[1]) for number in range(2)]
    assert sum(shares) == 4 and min(shares) > 0
    one, two = numbers("one"), numbers("two")
    assert set(one) == set(two) == set(FRAMES)
    for name, clip in one.items():
        assert clip.facts == two[name].facts
        np.testing.assert_allclose(two[name].mean, clip.mean, atol=1e-5)
        np.testing.assert_allclose(two[name].logvar, clip.logvar, atol=1e-5)


@pytest.mark.parametrize("words", [["--shard_size_mb", "0"], ["--verify", "-1"], ["--shard_size_mb", "nan"]])
def test_a_flag_out_of_range_is_told_before_anything_is_done(encode, words):
    assert f"{words[0]} is" in encode("cache", *words, status=2).err and not Path("cache").exists()


def test_latents_that_are_no_numbers_are_not_kept(encode, tiny):
    ms.set_seed(0)
    broken = {name: value.asnumpy().copy() for name, value in TemporalAutoencoder(**tiny).parameters_and_names()}
    broken["encoder.conv_out.conv_temp.bias"][:] = np.nan
    save_weights(broken, "broken.safetensors", {"config": tiny})
    shown = encode("cache", "--ckpt_path", "broken.safetensors")
    assert (
        "0 latents" in shown.out
        and "4 files cannot be used" in shown.out
        and not list(Path("cache").rglob("*.safetensors"))
    )
    assert "its latents are not finite" in Path("cache/unreadable.csv").read_text()
