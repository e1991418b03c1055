"""The check of a collection: its manifest, resuming after a kill, and data sets that use the manifest."""

import csv
import json
import os
import re
import resource
import shutil
import signal
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from mindone_tae import cli
from mindone_tae.data.files.checking import CollectionCheck
from mindone_tae.data.files.collection import read_collection
from mindone_tae.data.files.summary import summarize, write_histograms
from mindone_tae.data.readers.opening import open_video
from mindone_tae.data.tae_video import TAEVideoDataset
from mindone_tae.data.transforms import to_pixels
from mindone_tae.zoo.errors import UserError


@pytest.fixture
def clips(make_video, tmp_path):
    """A folder of two videos, an image and two bad files, and a table of them."""
    make_video("clips/a.mp4", 24)
    make_video("clips/sub/b, ü.mkv", 12, size=(32, 48))
    Image.new("RGB", (20, 10)).save(tmp_path / "clips/c.png")
    (tmp_path / "clips/empty.mp4").touch()
    (tmp_path / "clips/text.mp4").write_text("not a video")
    names = ["a.mp4", "sub/b, ü.mkv", "c.png", "empty.mp4", "text.mp4", "gone.mp4"]
    rows = "".join(f'"{name}",about {number}\n' for number, name in enumerate(names))
    (tmp_path / "clips/list.csv").write_text(f"video,caption\n{rows}")
    return tmp_path / "clips"


def check_data(*arguments):
    return cli.run(["check-data", *map(str, arguments)])


def rows_of(manifest):
    with open(manifest, encoding="utf-8", newline="") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


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


def test_what_lies_outside_is_trained_on_as_the_check_says(make_video, tmp_path, monkeypatch, capsys):
    make_video("clips/a.mp4", 4)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/list.csv").write_text(f"video\n{tmp_path / 'clips/a.mp4'}\n")
    assert check_data(tmp_path / "lists/list.csv", "--output_path", tmp_path / "out") == 0
    told = re.search("Train on it: (.*)", capsys.readouterr().out)[1]
    keys = dict(pair.removeprefix("dataset.").split("=") for pair in told.split())
    assert keys.pop("allow_outside") == "true"
    assert TAEVideoDataset(size=16, sample_n_frames=4, allow_outside=True, **keys).describe(0)["frames"] == 4


def test_manifest_given_as_a_table_says_where_it_belongs(clips, tmp_path):
    assert check_data(clips, "--output_path", tmp_path / "out") == 0
    with pytest.raises(UserError, match="has no column 'video'.*give it as dataset.manifest_path"):
        TAEVideoDataset(csv_path=str(tmp_path / "out/manifest.csv"), folder=str(clips), size=16)


def test_check_goes_on_where_it_was_killed_and_looks_again_at_what_changed(clips, tmp_path, monkeypatch):
    items, journal = read_collection(str(clips / "list.csv")), tmp_path / "out/checked.jsonl"

    class Killed(Exception):
        pass

    def kill_after_three(row, seen=[]):
        seen.append(row["path"])
        if len(seen) == 3:
            raise Killed

    with pytest.raises(Killed):
        CollectionCheck(items, str(clips), journal).run(1, kill_after_three)
    with open(journal, "a") as file:
        file.write('{"path": "text.mp4", "fra')  # the line it was killed in
    os.utime(clips / "a.mp4")
    check = CollectionCheck(items, str(clips), journal)
    assert check.resume() == 2
    seen = []
    rows = check.run(2, lambda row: seen.append(row["path"]))
    assert sorted(seen) == ["a.mp4", "empty.mp4", "gone.mp4", "text.mp4"]
    assert rows == CollectionCheck(items, str(clips), tmp_path / "fresh.jsonl").run(2)
    other_settings = CollectionCheck(items, str(clips), journal, depth="all")
    assert other_settings.resume() == 0
    again = CollectionCheck(items, str(clips), journal)
    assert again.resume() == 6 and again.run(1) == rows


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


def test_data_set_takes_the_manifest_and_opens_nothing_before_a_clip_is_drawn(clips, tmp_path, monkeypatch):
    assert check_data(clips / "list.csv", "--output_path", tmp_path / "out") == 0
    keywords = {
        "folder": str(clips),
        "size_buckets": [[32, 48], [32, 64]],
        "sample_n_frames": 4,
        "short_video": "bucket",
    }
    wanted = TAEVideoDataset(str(clips / "list.csv"), **keywords)
    for keyword in ("clips.file_list.open_video", "files.inspection.open_video"):
        monkeypatch.setattr(f"mindone_tae.data.{keyword}", lambda *_: pytest.fail("opened"))
    dataset = TAEVideoDataset(manifest_path=str(tmp_path / "out/manifest.csv"), **keywords)
    assert sorted(dataset.unreadable) == sorted(wanted.unreadable) and len(dataset) == len(wanted) == 3
    assert [dataset.describe(index) for index in range(3)] == [wanted.describe(index) for index in range(3)]
    assert dataset.describe(1)["caption"] == "about 1"
    assert dataset.step_choice(np.random.default_rng(0)) == wanted.step_choice(np.random.default_rng(0))
    monkeypatch.undo()
    assert np.array_equal(dataset[0][0], wanted[0][0])


def test_table_picks_files_out_of_a_manifest(clips, tmp_path):
    assert check_data(clips, "--output_path", tmp_path / "out") == 0
    (clips / "few.csv").write_text("video\na.mp4\nempty.mp4\n")
    keywords = {
        "manifest_path": str(tmp_path / "out/manifest.csv"),
        "folder": str(clips),
        "size": 32,
        "sample_n_frames": 2,
    }
    dataset = TAEVideoDataset(str(clips / "few.csv"), **keywords)
    assert len(dataset) == 1 and [reason for _, reason in dataset.unreadable] == ["0 bytes"]
    with pytest.raises(UserError, match="lacks 1 files of .*list.csv, such as gone.mp4"):
        TAEVideoDataset(str(clips / "list.csv"), **keywords)


def test_manifest_beside_other_files_says_what_to_set(clips, tmp_path):
    assert check_data(clips, "--output_path", tmp_path / "out") == 0
    with pytest.raises(
        UserError, match="lists a.mp4, and there is no .*set dataset.folder to the folder that was checked"
    ):
        TAEVideoDataset(manifest_path=str(tmp_path / "out/manifest.csv"))


@pytest.mark.parametrize(
    "text, said",
    [
        (
            None,
            "dataset.manifest_path is .*manifest.csv, and there is no such file: make it with mindone-tae check-data",
        ),
        ("video\na.mp4\n", "has no column 'path', so it is no manifest: give it as dataset.csv_path"),
        ("path,frames\na.mp4,3\n", "has no column 'fps'; a manifest has path, frames"),
        (
            "path,frames,fps,width,height,codec,duration_s,reader,reason\na.mp4,x,1,1,1,c,1,pyav,\n",
            "has no number where",
        ),
        ("path,frames,fps,width,height,codec,duration_s,reader,reason\na.mp4,0,1,1,1,c,1,pyav,\n", "0 frames"),
        ("path,frames,fps,width,height,codec,duration_s,reader,reason\na.mp4,1,nan,1,1,c,1,pyav,\n", "at nan fps"),
        ("path,frames,fps,width,height,codec,duration_s,reader,reason\n../a.mp4,1,1,1,1,c,1,pyav,\n", "leaves it"),
    ],
)
def test_manifest_that_is_none_is_refused(tmp_path, text, said):
    if text is not None:
        (tmp_path / "manifest.csv").write_text(text)
    with pytest.raises(UserError, match=said):
        TAEVideoDataset(manifest_path=str(tmp_path / "manifest.csv"))


def test_manifest_as_parquet_says_the_same(clips, tmp_path, capsys):
    pytest.importorskip("pyarrow")
    assert check_data(clips, "--output_path", tmp_path / "csv") == 0
    assert check_data(clips, "--output_path", tmp_path / "out", "--format", "parquet") == 0
    one, other = (
        TAEVideoDataset(manifest_path=str(tmp_path / path), folder=str(clips))
        for path in ("csv/manifest.csv", "out/manifest.parquet")
    )
    assert [one.describe(index) for index in range(3)] == [other.describe(index) for index in range(3)]
    assert one.unreadable == other.unreadable


def test_summary_of_bad_files_alone_can_be_drawn(tmp_path):
    row = dict.fromkeys(("frames", "fps", "width", "height", "duration_s", "bytes"), 0)
    rows = [{**row, "codec": "", "reader": "", "reason": f"frame {n} of 40 cannot be decoded: x"} for n in (3, 17)]
    assert summarize(rows)["reasons"] == {"frame # of # cannot be decoded": 2}
    write_histograms(tmp_path / "a.png", rows)


CASES = Path(__file__).parents[1] / "readers" / "cases"


@pytest.fixture
def hdr(tmp_path):
    """A folder of a video of PQ, one of HLG, and one that is neither."""
    (tmp_path / "hdr").mkdir()
    for name in ("hdr_pq.mp4", "hdr_hlg.mp4", "raw.mp4"):
        shutil.copy(CASES / name, tmp_path / "hdr")
    return tmp_path / "hdr"


@pytest.mark.parametrize("check_files", [True, False])
def test_high_dynamic_range_is_left_out_by_name_unless_it_is_tone_mapped(hdr, check_files):
    keywords = {
        "folder": str(hdr),
        "size": 64,
        "sample_n_frames": 2,
        "deterministic_sample": True,
        "check_files": check_files,
    }
    left_out = TAEVideoDataset(**keywords)
    (sample,) = left_out[0]
    reasons = {os.path.basename(path): reason for path, reason in left_out.unreadable}
    assert reasons == {
        f"hdr_{kind}.mp4": f"high dynamic range ({kind}): left out unless hdr is tonemap" for kind in ("hlg", "pq")
    }
    assert left_out.describe(0)["relative_path"] == "raw.mp4" and sample.shape == (3, 2, 64, 64)
    mapped = TAEVideoDataset(hdr="tonemap", **keywords)
    with (
        open_video(hdr / "hdr_pq.mp4") as as_it_is,
        open_video(hdr / "hdr_pq.mp4", timeout_s=30, tone_map=True) as video,
    ):
        flat, wanted = as_it_is.read([0])[0], video.read([0])[0]
    assert wanted.std() > 1.2 * flat.std()  # PQ looks flat
    assert len(mapped) == 3 and not mapped.unreadable
    assert np.abs(to_pixels(mapped[1][0])[0].mean() - wanted.mean()) < 8  # the centre of it
    with pytest.raises(UserError, match="hdr is 'tone_map'; it must be one of refuse, tonemap"):
        TAEVideoDataset(hdr="tone_map", **keywords)


@pytest.mark.parametrize("hdr_flag", ["refuse", "tonemap"])
def test_manifest_tells_transfer_and_guessed_rates_and_each_data_set_decides(hdr, tmp_path, capsys, hdr_flag):
    assert check_data(hdr, "--output_path", tmp_path / "out", "--hdr", hdr_flag) == 0
    rows = rows_of(tmp_path / "out/manifest.csv")
    assert {name: row["transfer"] for name, row in rows.items()} == {
        "hdr_pq.mp4": "pq",
        "hdr_hlg.mp4": "hlg",
        "raw.mp4": "",
    }
    assert {name: row["fps_is_guess"] for name, row in rows.items()} == {
        "hdr_pq.mp4": "0",
        "hdr_hlg.mp4": "0",
        "raw.mp4": "1",
    }
    refused = sorted(name for name, row in rows.items() if row["reason"].startswith("high dynamic range"))
    assert refused == (["hdr_hlg.mp4", "hdr_pq.mp4"] if hdr_flag == "refuse" else [])
    assert "the rate of 1 files is a guess" in capsys.readouterr().out
    keywords = {
        "manifest_path": str(tmp_path / "out/manifest.csv"),
        "folder": str(hdr),
        "size": 64,
        "sample_n_frames": 2,
    }
    assert len(TAEVideoDataset(**keywords)) == 1 and len(TAEVideoDataset(hdr="tonemap", **keywords)) == 3


def test_names_that_are_formulas_or_no_utf8_come_back_from_the_manifest_as_they_are(tmp_path, capsys):
    names = ["=1+1.png", "-x.png", "@x.png", "'=q.png", os.fsdecode(b"caf\xe9.png")]
    (tmp_path / "clips").mkdir()
    for name in names:
        Image.new("RGB", (16, 16)).save(tmp_path / "clips" / name)
    with open(tmp_path / "clips/list.csv", "w", errors="surrogateescape", newline="") as table:
        csv.writer(table).writerows([["video", "caption"], *([name, f"={name}"] for name in names[:4])])
    assert check_data(tmp_path / "clips", "--output_path", tmp_path / "all") == 0
    assert check_data(tmp_path / "clips/list.csv", "--output_path", tmp_path / "listed") == 0
    assert not [line for line in (tmp_path / "listed/manifest.csv").read_text().splitlines() if line[0] in "=+-@"]
    for manifest, wanted in (("all", sorted(names)), ("listed", names[:4])):
        keywords = {"manifest_path": str(tmp_path / manifest / "manifest.csv"), "folder": str(tmp_path / "clips")}
        data = TAEVideoDataset(**keywords, size=16)
        assert [data.describe(i)["relative_path"] for i in range(len(data))] == wanted
        assert all(data.describe(i).get("caption", f"={wanted[i]}") == f"={wanted[i]}" for i in range(len(data)))
        assert data.sample(0, np.random.default_rng(0), 1)[0].shape == (3, 1, 16, 16)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda lines: [bytes(4096), *lines[2:]],
        lambda lines: [lines[0], b'{"path": ["a"], "frames": 1e400}', *lines[2:]],
        lambda lines: [lines[0].replace(b'"frames": 24', b'"frames": "24"'), *lines[1:]],
        lambda lines: [lines[0], lines[1][:40] + b"\xff\xfe" + b"[" * 100_000, *lines[2:]],
    ],
)
def test_a_power_cut_in_the_journal_costs_the_files_it_hit_and_no_more(clips, tmp_path, caplog, spoil):
    out = tmp_path / "out"
    assert check_data(clips, "--output_path", out, "--workers", 1) == 0
    before, journal = rows_of(out / "manifest.csv"), out / "checked.jsonl"
    damaged = b"\n".join(spoil(journal.read_bytes().splitlines())) + b"\n"
    journal.write_bytes(damaged)
    assert check_data(clips, "--output_path", out, "--resume") == 0
    assert rows_of(out / "manifest.csv") == before
    assert (out / "checked.jsonl.damaged").read_bytes() == damaged and "looked at again" in caplog.text
    assert len(journal.read_text().splitlines()) == len(before)


def test_a_half_line_of_a_killed_check_is_no_damage(clips, tmp_path, caplog):
    out = tmp_path / "out"
    assert check_data(clips, "--output_path", out, "--workers", 1) == 0
    before = (out / "checked.jsonl").read_bytes()
    (out / "checked.jsonl").write_bytes(before[:-30])
    assert check_data(clips, "--output_path", out, "--resume") == 0
    assert sorted((out / "checked.jsonl").read_bytes().splitlines()) == sorted(before.splitlines())
    assert not caplog.text and not (out / "checked.jsonl.damaged").exists()


@pytest.mark.parametrize("place", ["/proc/out", "/dev/null/out", "/dev/full", "x" * 300])
def test_a_place_that_cannot_be_written_is_one_line(clips, tmp_path, monkeypatch, capsys, place):
    monkeypatch.chdir(tmp_path)
    assert check_data(clips, "--output_path", place) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_full_disk_names_the_journal_and_what_was_checked_is_kept(clips, tmp_path, capsys):
    pid = os.fork()
    if pid == 0:
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))
            os._exit(check_data(clips, "--output_path", tmp_path / "out", "--workers", 1))
        finally:
            os._exit(1)  # whatever happens, this is no second pytest
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2
    assert check_data(clips, "--output_path", tmp_path / "out", "--resume") == 0
    assert "files were checked before" in capsys.readouterr().out
