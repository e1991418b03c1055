"""A check that was killed, damaged or left without room goes on where it was."""

import os
import resource
import signal

import pytest
from checked import check_data, rows_of

from mindone_tae.data.files.checking import CollectionCheck
from mindone_tae.data.files.collection import read_collection


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
    assert (out / "checked.jsonl.damaged").read_bytes() == damaged and "checked again" in caplog.text
    assert len(journal.read_text().splitlines()) == len(before)


def test_a_half_line_of_a_killed_check_is_no_damage(clips, tmp_path, caplog):
    out = tmp_path / "out"
    assert check_data(clips, "--output_path", out, "--workers", 1) == 0
    before = (out / "checked.jsonl").read_bytes()
    (out / "checked.jsonl").write_bytes(before[:-30])
    assert check_data(clips, "--output_path", out, "--resume") == 0
    assert sorted((out / "checked.jsonl").read_bytes().splitlines()) == sorted(before.splitlines())
    assert not caplog.text and not (out / "checked.jsonl.damaged").exists()


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
