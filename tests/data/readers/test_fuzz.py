"""Damaged files give frames of the right shape or a reason, in time: a small run of tools/fuzz_readers.py."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SCRIPT = Path(__file__).resolve().parents[3] / "tools" / "fuzz_readers.py"


@pytest.fixture(scope="module")
def fuzzing():
    spec = importlib.util.spec_from_file_location("fuzz_readers", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_damaged_files_are_read_in_shape_or_refused(fuzzing, make_video, tmp_path):
    videos = [
        make_video("a.mp4"),
        make_video("b.mkv"),
        make_video("c.avi", codec="mpeg4"),
        make_video("d.webm", codec="libvpx-vp9", frames=6),
    ]
    (tmp_path / "pictures").mkdir()
    sources = [Path(path) for path in videos] + fuzzing.write_pictures(tmp_path / "pictures")
    counts = {}
    for name, kind, found in fuzzing.fuzz(sources, 66, seed=1, timeout_s=20, workers=2):
        for reader, (what, reason) in found.items():
            assert what in ("read", "refused"), (name, kind, reader, what, reason)
            counts[what] = counts.get(what, 0) + 1
    assert counts["read"] > 10 and counts["refused"] > 40


def test_fuzzing_tells_a_wrong_shape_and_what_escapes(fuzzing, tmp_path, monkeypatch):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    from mindone_tae.data.readers.image_reader import ImageReader

    for wrong, told in ((lambda *_: np.zeros((1, 8, 7, 3), np.uint8), "WRONG SHAPE"), (lambda *_: 1 / 0, "ESCAPED")):
        monkeypatch.setattr(ImageReader, "_read_sorted", wrong)
        assert fuzzing.outcome(str(tmp_path / "a.png"), "auto", np.random.default_rng(0), None)[0] == told


def test_damage_is_the_same_for_the_same_seed_and_always_some(fuzzing):
    data = np.random.default_rng(0).bytes(5000)
    for seed in range(60):
        kind, damaged = fuzzing.damage(data, np.random.default_rng(seed))
        assert (kind, damaged) == fuzzing.damage(data, np.random.default_rng(seed))
        assert kind in ("swapped", "flipped") or damaged != data
