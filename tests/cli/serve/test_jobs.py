"""What serve takes of an upload, and what it calls it."""

import numpy as np
import pytest

from mindone_tae.cli.serve.jobs import Choice, Jobs, Limits
from mindone_tae.data import write_video
from mindone_tae.zoo import UserError

LIMITS = Limits(megabytes=1.0, frames=8, pixels=64 * 64)
CHOICE = Choice("64px", 8, "tiny")


@pytest.fixture
def jobs(tmp_path):
    return Jobs(tmp_path / "out", LIMITS)


def clip(path, size=(64, 64), frames=4):
    write_video(path, np.zeros((frames, *size, 3), np.uint8), fps=10)
    return path


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: clip(path, (72, 64)), "a frame has 64x72 pixels; at most 4,096 in all are taken"),
        (lambda path: path.write_bytes(bytes(2_000_000)), "the file has 2 MB; at most 1 are taken"),
        (lambda path: path.write_text("no video"), "the file cannot be used: "),
    ],
)
def test_what_is_over_a_limit_or_no_video_is_refused_and_leaves_nothing(jobs, tmp_path, make, said):
    make(tmp_path / "a.mp4")
    with pytest.raises(UserError, match=said):
        jobs.run(tmp_path / "a.mp4", CHOICE)
    assert not list((tmp_path / "out").iterdir()) and not (tmp_path / "a.mp4").exists()


@pytest.mark.parametrize(
    ("name", "ours"), [("--help.mp4", "video.mp4"), ("a b;$(x).MOV", "video.mov"), ("x.html", "video"), ("x", "video")]
)
def test_files_are_named_by_us_and_frames_are_those_that_are_there(jobs, tmp_path, monkeypatch, name, ours):
    called = []
    monkeypatch.setattr(
        Jobs, "_call", lambda self, words, folder, tell: called.append((words, sorted(folder.iterdir())))
    )
    clip(tmp_path / "made.mp4").rename(tmp_path / name)
    number = jobs.run(tmp_path / name, CHOICE)
    ((words, files),) = called
    assert words[:2] == ["reconstruct", ours] and [path.name for path in files] == [ours]
    assert files[0].parent == tmp_path / f"out/{number:04d}"
    assert words[words.index("--num_frames") + 1] == "4"


def test_two_servers_on_one_folder_take_different_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(Jobs, "_call", lambda self, words, folder, tell: None)
    servers = [Jobs(tmp_path / "out", LIMITS) for _ in range(2)]
    numbers = [servers[i].run(clip(tmp_path / "a.mp4"), CHOICE) for i in (0, 1, 1, 0)]
    assert numbers == [1, 2, 3, 4]


def test_numbers_go_on_from_earlier_reports_and_only_reports_have_a_page(tmp_path):
    (tmp_path / "0007").mkdir()
    (tmp_path / "0007/report.html").write_text("x")
    jobs = Jobs(tmp_path, LIMITS)
    with pytest.raises(UserError):
        (tmp_path / "no.mp4").write_text("x")
        jobs.run(tmp_path / "no.mp4", CHOICE)
    assert jobs.page(7) == tmp_path / "0007/report.html" and jobs.page(8) is None and jobs._last == 8
