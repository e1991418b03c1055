"""examples/ray_encode: what actors of Ray Data encode, one of them killed, is what one process encodes."""

import importlib.util
import os
import signal
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from mindone_tae import cli
from mindone_tae.data import write_video
from mindone_tae.data.latents.folder import find_latents

ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'mindone_tae[ray]'")
pytest.importorskip("ray.data", reason="ray is installed without Ray Data: pip install 'mindone_tae[ray]'")

pytestmark = pytest.mark.exhaustive


@pytest.fixture
def example(examples):
    """The module, whose classes Ray takes along, as they are those of a script."""
    spec = importlib.util.spec_from_file_location("ray_encode_example", examples / "ray_encode/encode.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def local_ray(monkeypatch):
    """Ray on this machine alone. Its sockets' paths have 107 bytes at most, which pytest's folders exceed."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    with tempfile.TemporaryDirectory(prefix="ray") as folder:
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            object_store_memory=100 * 2**20,
            _temp_dir=folder,
            log_to_driver=False,
        )
        yield
        ray.shutdown()


def dying(example, folder):
    """The example's actor, which notes who wrote what; the first that is to write a second clip is killed instead.

    Before that it waits until the other has written one, too: both are at work when one dies.
    """

    class Dying(example.Encoder):
        wrote = 0

        def encode(self, clip):
            if self.wrote == 1:
                try:
                    (folder / "killed").symlink_to(str(os.getpid()))  # by one process only
                except FileExistsError:
                    pass
                else:
                    self.wait_for_the_other()
                    os.kill(os.getpid(), signal.SIGKILL)
            outcome = super().encode(clip)
            if outcome == example.WRITTEN:
                self.wrote += 1
                with open(folder / "written", "a") as lines:
                    lines.write(f"{os.getpid()} {clip.name}\n")
            return outcome

        def wait_for_the_other(self):
            end = time.monotonic() + 240
            while {line.split()[0] for line in (folder / "written").read_text().splitlines()} == {str(os.getpid())}:
                assert time.monotonic() < end, "the other actor has written nothing"
                time.sleep(0.5)

    return Dying


def numbers(folder):
    latents, problems = find_latents(folder)
    assert not problems
    return {latent.name: latent.read() for latent in latents}


def test_two_actors_one_of_them_killed_write_what_one_process_does_none_twice_and_none_lost(
    example, local_ray, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    names = [f"{folder}/{number}.mp4" for folder in ("a", "b") for number in range(4)]
    for number, name in enumerate(names):
        (tmp_path / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        frames = np.random.default_rng(number).integers(0, 256, (9, 32, 32, 3), np.uint8)
        write_video(tmp_path / "videos" / name, frames, 8)
    (tmp_path / "videos/broken.mp4").write_bytes(b"no video")
    assert cli.run(["check-data", "videos", "--output_path", "check"]) == 0
    words = ["--video_folder", "videos", "--ckpt_path", "tiny", "--image_size", "32"]
    assert cli.run(["encode", *words, "--output_path", "one", "dataset.manifest_path=check/manifest.csv"]) == 0

    words += ["--manifest", "check/manifest.csv", "--actors", "2", "--cpus", "0.5", "--rows_at_a_time", "2"]
    words += ["--output_path", str(tmp_path / "two")]
    capsys.readouterr()
    assert example.main(words, dying(example, tmp_path)) == 0
    said = capsys.readouterr().out
    killed = os.readlink(tmp_path / "killed")
    written = [line.split() for line in (tmp_path / "written").read_text().splitlines()]
    # the one killed had written one clip, which its successor found up to date; everyone else's were written once
    assert "8 clips: 7 latents written, 1 up to date" in said and "1 file cannot be used" in said
    assert sorted(name for _, name in written) == names
    assert [process for process, _ in written].count(killed) == 1
    assert len({process for process, _ in written}) >= 2

    one, two = numbers(tmp_path / "one"), numbers(tmp_path / "two")
    assert sorted(one) == sorted(two) == names
    for name, clip in one.items():
        assert clip.facts == two[name].facts
        np.testing.assert_allclose(two[name].mean, clip.mean, atol=1e-5)
        np.testing.assert_allclose(two[name].logvar, clip.logvar, atol=1e-5)
    assert not list(Path("two").rglob("*.tmp*"))

    assert example.main([*words, "--shard_size_mb", "1"]) == 2
    assert "--shard_size_mb is given" in capsys.readouterr().err
