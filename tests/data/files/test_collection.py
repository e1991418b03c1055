import datetime
import os
import sys
from decimal import Decimal

import pytest

from mindone_tae.data.files.collection import read_collection
from mindone_tae.data.files.tables import read_table
from mindone_tae.zoo.errors import UserError


@pytest.fixture
def write_csv(tmp_path):
    def write(text, name="list.csv", encoding="utf-8"):
        (tmp_path / name).write_bytes(text.encode(encoding))
        return str(tmp_path / name)

    return write


def test_relative_paths_start_at_the_csvs_folder_and_extra_columns_stay(write_csv, tmp_path):
    items = read_collection(write_csv("video,caption\nsub/a.mp4,a cat\nb.mkv,\n"))
    assert [item.path for item in items] == [str(tmp_path / "sub/a.mp4"), str(tmp_path / "b.mkv")]
    assert [item.relative_path for item in items] == ["sub/a.mp4", "b.mkv"]
    assert [item.extra for item in items] == [{"caption": "a cat"}, {"caption": ""}]


def test_byte_order_mark_windows_lines_quotes_and_unicode_are_read(write_csv):
    items = read_collection(write_csv('video,note\r\n"a, b c.mp4",x\r\n\r\n ünï.mp4 ,y\r\n', encoding="utf-8-sig"))
    assert [item.relative_path for item in items] == ["a, b c.mp4", "ünï.mp4"]


def test_column_without_a_name_is_pandas_index(write_csv):
    assert read_collection(write_csv(",video\n0,a.mp4\n"))[0].extra == {}


def test_folder_beside_csv_is_where_paths_start(write_csv, tmp_path):
    (tmp_path / "clips").mkdir()
    items = read_collection(write_csv("file\na.mp4\n"), str(tmp_path / "clips"), "file")
    assert items[0].path == str(tmp_path / "clips" / "a.mp4")


def test_folder_is_searched_recursively_and_sorted(tmp_path):
    for name in ("b/two.MKV", "a.mp4", "b/one.jpeg", "notes.txt", ".hidden.mp4", ".cache/c.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    items = read_collection(folder=str(tmp_path))
    assert [item.relative_path for item in items] == ["a.mp4", "b/one.jpeg", "b/two.MKV"]
    assert all(os.path.isabs(item.path) for item in items)


def test_wrong_column_names_those_found_the_near_one_and_the_remedy(write_csv):
    said = "no column 'video'; its columns are videos, caption.*dataset.video_column.*did you mean 'videos'"
    with pytest.raises(UserError, match=said):
        read_collection(write_csv("videos,caption\na.mp4,x\n"))


def test_csv_without_header_is_told_so(write_csv):
    with pytest.raises(UserError, match="first line must be a header"):
        read_collection(write_csv("a.mp4\nb.mp4\n"))


@pytest.mark.parametrize("text, said", [("video\n", "has no rows"), ("video\n\n\n", "has no rows"), ("", "is empty")])
def test_csv_without_rows_says_so(write_csv, text, said):
    with pytest.raises(UserError, match=said):
        read_collection(write_csv(text))


@pytest.mark.parametrize(
    "row, said",
    [("my clip, take 2.mp4,x", "line 2 has more cells.*double quotes"), (",x", "line 2 has no path in column 'video'")],
)
def test_bad_row_is_named_by_its_line(write_csv, row, said):
    with pytest.raises(UserError, match=said):
        read_collection(write_csv(f"video,note\n{row}\n"))


def test_latin_1_csv_is_told_to_be_utf_8(write_csv):
    with pytest.raises(UserError, match="not a csv in UTF-8.*: save it as UTF-8"):
        read_collection(write_csv("video\nbär.mp4\n", encoding="latin-1"))


@pytest.mark.parametrize(
    "name, separator, remedy",
    [
        ("list.csv", "\t", "tabs: name it .tsv"),
        ("list.tsv", ",", "commas: name it .csv"),
        ("list.csv", ";", "semicolons: add the line 'sep=;' on top"),
        ("list.tsv", ";", "semicolons: add the line 'sep=;' on top"),
        ("list.csv", "|", "bars: add the line 'sep=|' on top"),
    ],
)
def test_other_separators_than_the_names_are_told_and_the_remedy_works(write_csv, name, separator, remedy):
    text = f"video{separator}note\na.mp4{separator}x\n"
    with pytest.raises(UserError) as caught:
        read_collection(write_csv(text, name))
    assert str(caught.value).endswith(f": its cells seem to be separated by {remedy}")
    name, text = (f"list{remedy[-4:]}", text) if "name it" in remedy else (name, f"sep={separator}\n{text}")
    assert [(item.relative_path, item.extra) for item in read_collection(write_csv(text, name))] == [
        ("a.mp4", {"note": "x"})
    ]


def test_file_name_with_a_comma_on_top_is_no_header(write_csv):
    with pytest.raises(UserError, match="first line must be a header"):
        read_collection(write_csv("a, b.mp4\nc.mp4\n", "list.tsv"))


@pytest.mark.parametrize(
    "name, text",
    [
        ("list.csv", "video,note\r\na.mp4,x\r\n\x1a"),
        ("list.csv", "video,note\r\na.mp4,x\x1a"),
        ("list.csv", "video,note\na.mp4,x,,\n"),
        ("list.jsonl", '{"video": "a.mp4", "note": "x"}\r\n\x1a'),
    ],
)
def test_end_of_file_mark_of_dos_and_empty_cells_behind_the_last_are_dropped(write_csv, name, text):
    items = read_collection(write_csv(text, name))
    assert [(item.relative_path, item.extra) for item in items] == [("a.mp4", {"note": "x"})]


@pytest.mark.parametrize("text", ["video,note\na.mp4,x\n".encode("utf-16-le"), b"PK\x03\x04\x14\0\0\0"])
def test_zero_bytes_on_top_are_told_and_taken_for_no_column(tmp_path, text):
    (tmp_path / "list.csv").write_bytes(text)
    with pytest.raises(UserError, match="not a csv in UTF-8: it holds zero bytes, .*: save it as UTF-8"):
        read_collection(str(tmp_path / "list.csv"))


def test_missing_csv_folder_or_both_say_what_is_missing(tmp_path):
    with pytest.raises(UserError, match="dataset.csv_path does not exist: .*none.csv"):
        read_collection(str(tmp_path / "none.csv"))
    with pytest.raises(UserError, match="dataset.csv_path is a folder.*dataset.folder"):
        read_collection(str(tmp_path))
    with pytest.raises(UserError, match="dataset.folder does not exist"):
        read_collection(folder=str(tmp_path / "none"))
    with pytest.raises(UserError, match="give dataset.csv_path, dataset.folder"):
        read_collection()


def test_folder_without_video_says_what_else_is_there(tmp_path):
    with pytest.raises(UserError, match="it is empty"):
        read_collection(folder=str(tmp_path))
    for name in ("a.txt", "b.txt", "c.json"):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=r"3 other files were found \(2 \.txt, 1 \.json\)"):
        read_collection(folder=str(tmp_path))


@pytest.mark.parametrize("path", ["../a.mp4", "sub/../../a.mp4"])
def test_path_that_leaves_the_folder_is_refused(write_csv, path):
    with pytest.raises(UserError, match="line 2: paths must stay inside"):
        read_collection(write_csv(f"video\n{path}\n"))


def test_absolute_path_is_taken_inside_the_folder_or_where_none_is_given(write_csv, tmp_path):
    inside, outside = str(tmp_path / "clips" / "a.mp4"), "/elsewhere/b.mp4"
    (tmp_path / "clips").mkdir()
    items = read_collection(write_csv(f"video\n{inside}\n{outside}\n"))
    assert [item.relative_path for item in items] == ["clips/a.mp4", "elsewhere/b.mp4"]
    assert [item.path for item in items] == [inside, outside]
    folder = str(tmp_path / "clips")
    assert read_collection(write_csv(f"video\n{inside}\n"), folder)[0].relative_path == "a.mp4"
    with pytest.raises(UserError, match="'/elsewhere/b.mp4' leaves it"):
        read_collection(write_csv(f"video\n{outside}\n"), folder)


def test_neighbour_with_the_same_beginning_is_outside(write_csv, tmp_path):
    (tmp_path / "clips").mkdir()
    with pytest.raises(UserError, match="leaves it"):
        read_collection(write_csv(f"video\n{tmp_path}/clips2/a.mp4\n"), str(tmp_path / "clips"))


@pytest.mark.parametrize(
    "name, text",
    [
        ("list.tsv", "video\tcaption\nsub/a b.mp4\tone, two\nü.mp4\t\n"),
        (
            "list.jsonl",
            '{"video": "sub/a b.mp4", "caption": "one, two"}\n\n{"caption": null, "video": "\\u00fc.mp4"}\n',
        ),
        ("list.jsonl", '\ufeff{"video": "sub/a b.mp4", "caption": "one, two"}\r\n{"video": "ü.mp4"}\r\n'),
        ("list.json", '[{"video": "sub/a b.mp4", "caption": "one, two"},\n {"video": "ü.mp4"}]\n'),
        ("list.json", '{"video": "sub/a b.mp4", "caption": "one, two"}\n{"video": "ü.mp4"}\n'),
        ("list.csv", 'sep=,\r\nvideo,caption\r\nsub/a b.mp4,"one, two"\r\nü.mp4,\r\n'),
        ("list.csv", '\ufeff"sep=;"\nvideo;caption\nsub/a b.mp4;one, two\nü.mp4;\n'),
        ("LIST.CSV", 'video,caption\r"sub/a b.mp4","one, two"\rü.mp4,\r'),  # line ends of old Macs
    ],
)
def test_tables_of_every_kind_give_the_same_items(write_csv, name, text):
    items = read_collection(write_csv(text, name))
    assert [(item.relative_path, item.extra) for item in items] == [
        ("sub/a b.mp4", {"caption": "one, two"}),
        ("ü.mp4", {"caption": ""}),
    ]


def test_a_cell_may_be_long_and_lines_are_counted_from_the_top(write_csv):
    caption = "x" * 200_000
    assert read_collection(write_csv(f"video,caption\na.mp4,{caption}\n"))[0].extra == {"caption": caption}
    with pytest.raises(UserError, match="line 3 has no path"):
        read_collection(write_csv("sep=,\nvideo,caption\n,x\n"))


def test_folder_is_searched_for_every_ending_that_is_read(tmp_path):
    names = [
        f"{number:02d}{suffix}"
        for number, suffix in enumerate((".ts", ".MTS", ".flv", ".wmv", ".ogv", ".3gp", ".tif", ".vob"))
    ]
    for name in names:
        (tmp_path / name).touch()
    assert [item.relative_path for item in read_collection(folder=str(tmp_path))] == names


def test_parquet_table_is_read(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")

    path = str(tmp_path / "list.parquet")
    pyarrow.parquet.write_table(pyarrow.table({"video": ["a.mp4", "ü.mp4"], "frames": [7, None]}), path)
    items = read_collection(path)
    assert [(item.relative_path, item.extra) for item in items] == [
        ("a.mp4", {"frames": "7"}),
        ("ü.mp4", {"frames": ""}),
    ]
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 not parquet PAR1")
    with pytest.raises(UserError, match="bad.parquet is not a parquet table"):
        read_collection(str(tmp_path / "bad.parquet"))


def test_parquet_cells_are_what_a_csv_would_hold(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    path = str(tmp_path / "list.parquet")
    columns = {"video": [b"a.mp4"], "day": [datetime.date(2024, 1, 2)], "price": [Decimal("1.50")], "ok": [True]}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    columns, rows = read_table(path)
    assert [row for _, row in rows] == [{"video": "a.mp4", "day": "2024-01-02", "price": "1.50", "ok": "true"}]
    far = pyarrow.array([2**62], pyarrow.timestamp("us"))  # a date that Python does not have
    pyarrow.parquet.write_table(pyarrow.table({"video": ["a.mp4"], "day": far}), path)
    with pytest.raises(UserError, match="list.parquet is not a parquet table that can be read"):
        read_table(path)


def test_parquet_without_pyarrow_names_it(write_csv, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UserError, match="need pyarrow, which does not load here .*: pip install .*or use .csv"):
        read_collection(write_csv("", "list.parquet"))


@pytest.mark.parametrize(
    "text, said",
    [
        ('{"video": "a.mp4"\n', "neither an array of objects nor an object a line"),
        ('["a.mp4"]\n', "item 1 is not an object"),
        ("7\n", "line 1 is not an object"),
        ('{"path": "a.mp4"}\n', "no column 'video'"),
        ("[]", "list.jsonl has no rows: write an object a line"),
        ("\n", "list.jsonl has no rows: write an object a line"),
        # what pandas.DataFrame({"video": ["a.mp4"]}).to_json(orient=...) gives: columns, index, split, table
        ('{"video":{"0":"a.mp4"}}', r'line 1 holds .* no path: .*to_json\(orient="records", lines=True\)$'),
        ('{"0":{"video":"a.mp4"}}', "line 1 holds tables or lists alone, and no path"),
        ('{"columns":["video"],"index":[0],"data":[["a.mp4"]]}', "line 1 holds tables or lists alone, and no path"),
        ('{"schema":{"fields":[]},"data":[{"index":0,"video":"a.mp4"}]}', "line 1 holds tables or lists alone"),
        ('{"video": ["a.mp4", "b.mp4"]}', "line 1 holds tables or lists alone, and no path"),
    ],
)
def test_bad_jsonl_says_what_is_wrong(write_csv, text, said):
    with pytest.raises(UserError, match=said):
        read_collection(write_csv(text, "list.jsonl"))


def test_absolute_path_outside_needs_leave(write_csv, tmp_path):
    (tmp_path / "clips").mkdir()
    table = write_csv("video\n/elsewhere/b.mp4\n")
    with pytest.raises(UserError, match="'/elsewhere/b.mp4' leaves it"):
        read_collection(table, allow_outside=False)
    assert read_collection(table, str(tmp_path / "clips"), allow_outside=True)[0].path == "/elsewhere/b.mp4"
    with pytest.raises(UserError, match=r"'\.\./b.mp4' leaves it"):
        read_collection(write_csv("video\n../b.mp4\n"), str(tmp_path / "clips"), allow_outside=True)


def test_link_that_leaves_the_folder_is_refused_unless_allowed(write_csv, tmp_path):
    (tmp_path / "clips").mkdir()
    (tmp_path / "secret.mp4").touch()
    (tmp_path / "clips" / "a.mp4").symlink_to(tmp_path / "secret.mp4")
    (tmp_path / "clips" / "up").symlink_to(tmp_path)
    folder = str(tmp_path / "clips")
    for text in ("video\na.mp4\n", "video\nup/secret.mp4\n"):
        with pytest.raises(UserError, match="leaves it by a link to .*secret.mp4.*allow_outside"):
            read_collection(write_csv(text), folder)
        assert len(read_collection(write_csv(text), folder, allow_outside=True)) == 1
    with pytest.raises(UserError, match="leaves it by a link"):
        read_collection(folder=folder)


def test_folders_linked_in_a_circle_are_searched_once(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.mp4").touch()
    (tmp_path / "real" / "again").symlink_to(tmp_path)
    for allowed in (None, True):
        items = read_collection(folder=str(tmp_path), allow_outside=allowed)
        assert [item.relative_path for item in items] == ["real/a.mp4"]


def test_linked_folder_is_searched_where_allowed(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "a.mp4").touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train").symlink_to(tmp_path / "store")
    items = read_collection(folder=str(tmp_path / "data"), allow_outside=True)
    assert [item.relative_path for item in items] == ["train/a.mp4"]


def test_zero_byte_in_a_path_is_refused(write_csv):
    with pytest.raises(UserError, match="zero byte"):
        read_collection(write_csv('{"video": "a\\u0000.mp4"}\n', "list.jsonl"))
