"""Data sets that use the manifest of a check."""

import csv
import os
import re

import numpy as np
import pytest
from checked import check_data
from PIL import Image

from mindone_tae.data.tae_video import TAEVideoDataset
from mindone_tae.zoo.errors import UserError


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
