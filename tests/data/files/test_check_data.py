"""The check of a collection: its manifest, its summary, and mistakes."""

import json
import re
import shlex
import shutil

import av
import numpy as np
import pytest
from checked import check_data, rows_of
from PIL import Image

from mindone_tae.data.files.checking import CollectionCheck
from mindone_tae.data.files.collection import read_collection
from mindone_tae.data.files.summary import summarize, write_histograms


def test_manifest_tells_of_every_file_what_it_holds_or_why_it_is_bad(clips, tmp_path, capsys):
    assert check_data(clips / "list.csv", "--output_path", tmp_path / "out") == 0
    rows = rows_of(tmp_path / "out/manifest.csv")
    assert list(rows) == ["a.mp4", "sub/b, ü.mkv", "c.png", "empty.mp4", "text.mp4", "gone.mp4"]
    facts = ("frames", "fps", "width", "height", "codec", "duration_s", "reason", "caption")
    assert [rows["a.mp4"][name] for name in facts] == ["24", "20.0", "96", "64", "h264", "1.2", "", "about 0"]
    assert [rows["sub/b, ü.mkv"][name] for name in facts] == ["12", "20.0", "48", "32", "h264", "0.6", "", "about 1"]
    assert [rows["c.png"][name] for name in facts] == ["1", "0.0", "20", "10", "png", "0.0", "", "about 2"]
    assert rows["a.mp4"]["reader"] in ("decord", "pyav") and rows["c.png"]["reader"] == "image"
    reasons = {name: row["reason"] for name, row in rows.items() if row["reason"]}
    assert reasons["empty.mp4"] == "0 bytes" and reasons["gone.mp4"] == "no such file" and len(reasons) == 3
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert (summary["files"], summary["readable"], summary["frames"]) == (6, 3, 37)
    assert summary["hours"] == pytest.approx(1.8 / 3600, abs=1e-6) and summary["codecs"] == {"h264": 2, "png": 1}
    with Image.open(tmp_path / "out/histograms.png") as picture:
        assert np.unique(np.asarray(picture.convert("L"))).size > 3
    said = capsys.readouterr()
    assert "3 of 6 files can be used" in said.out and "bad  empty.mp4: 0 bytes" in said.out
    assert "check 6/6 files" in said.err


def test_folder_is_walked_and_a_second_check_needs_resume(clips, tmp_path, capsys):
    assert check_data(clips, "--output_path", tmp_path / "out", "--workers", 1) == 0
    assert sorted(rows_of(tmp_path / "out/manifest.csv")) == ["a.mp4", "c.png", "empty.mp4", "sub/b, ü.mkv", "text.mp4"]
    assert check_data(clips, "--output_path", tmp_path / "out") == 2
    assert "add --resume" in capsys.readouterr().err


def test_a_folder_has_no_other_base(clips, tmp_path, capsys):
    assert check_data(clips, "--output_path", tmp_path / "out", "--video_folder", tmp_path) == 2
    assert "leave it out" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_keys_to_copy_are_quoted_for_the_shell(clips, tmp_path, capsys):
    copied = shutil.copytree(clips, tmp_path / "my clips")
    assert check_data(copied, "--output_path", tmp_path / "out") == 0
    line = capsys.readouterr().out.partition("Train on it: ")[2].splitlines()[0]
    assert f"dataset.folder={copied}" in shlex.split(line)


def test_nothing_usable_is_a_mistake(tmp_path, capsys):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips/a.mp4").touch()
    assert check_data(tmp_path / "clips", "--output_path", tmp_path / "out") == 2
    assert "none of the 1 files can be used" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong, said", [(["--workers", "0"], "--workers is 0"), (["--reader", "pyva"], "did you mean 'pyav'")]
)
def test_wrong_flag_is_refused_before_the_work(clips, tmp_path, capsys, wrong, said):
    assert check_data(clips, "--output_path", tmp_path / "out", *wrong) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "nowhere does not exist; check-data takes a table or a folder"),
        (["paths.csv"], "its columns are file: set --video_column to"),
        (["out.csv"], "or set --video_folder to"),
        (["link.csv"], "or add --allow_outside"),
    ],
)
def test_mistakes_in_a_table_name_the_flags_that_mend_them(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "paths.csv").write_text("file\na.mp4\n")
    (tmp_path / "out.csv").write_text("video\n../a.mp4\n")
    (tmp_path / "link.mp4").symlink_to("/etc/hosts")
    (tmp_path / "link.csv").write_text("video\nlink.mp4\n")
    assert check_data(*words, "--output_path", "checked") == 2
    shown = capsys.readouterr().err
    assert said in shown and "dataset." not in shown and len(shown.splitlines()) == 1


@pytest.mark.parametrize("reader", ["auto", "pyav"])
def test_decoding_all_frames_finds_damage_inside(make_video, tmp_path, reader):
    path = make_video("clips/a.mkv", frames=60, size=(64, 64))
    with av.open(path) as video:
        packet = [packet for packet in video.demux(video=0) if packet.size][22]
    data = bytearray(open(path, "rb").read())
    middle = packet.pos + packet.size // 2
    data[middle : middle + 12] = bytes(byte ^ 255 for byte in data[middle : middle + 12])
    open(path, "wb").write(data)
    items, found = read_collection(folder=str(tmp_path / "clips")), {}
    for depth in ("first", "all"):
        (row,) = CollectionCheck(items, str(tmp_path / "clips"), tmp_path / depth, reader, depth=depth).run(1)
        found[depth] = row["reason"]
    assert found["first"] == "" and re.match(r"frame 2\d of 60 (is damaged|cannot be decoded)", found["all"])


@pytest.mark.parametrize("frames", [[16, 16], [2**62, 2**62], [2**62, 2**62 + 1024]])
def test_histograms_of_files_that_are_alike_can_be_drawn(tmp_path, frames):
    facts = {"reason": "", "fps": 24.0, "duration_s": 0.0, "width": 16, "height": 16}
    write_histograms(tmp_path / "a.png", [{**facts, "frames": count} for count in frames])
    with Image.open(tmp_path / "a.png") as picture:
        assert np.unique(np.asarray(picture.convert("L"))).size > 3


def test_summary_of_bad_files_alone_can_be_drawn(tmp_path):
    row = dict.fromkeys(("frames", "fps", "width", "height", "duration_s", "bytes"), 0)
    rows = [{**row, "codec": "", "reader": "", "reason": f"frame {n} of 40 cannot be decoded: x"} for n in (3, 17)]
    assert summarize(rows)["reasons"] == {"frame # of # cannot be decoded": 2}
    rows.append({**rows[0], "reason": "$\\frac{x$ \x1b[m \udce9 \u6f22"})
    write_histograms(tmp_path / "a.png", rows)


@pytest.mark.parametrize("place", ["/proc/out", "/dev/null/out", "/dev/full", "x" * 300])
def test_a_place_that_cannot_be_written_is_one_line(clips, tmp_path, monkeypatch, capsys, place):
    monkeypatch.chdir(tmp_path)
    assert check_data(clips, "--output_path", place) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
