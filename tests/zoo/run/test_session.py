"""A run's folder records versions, machine and state of the code of each session, and what changed since the last."""

import shutil
import subprocess

import pytest

from mindone_tae.zoo.recipe.schema import Env
from mindone_tae.zoo.run import session
from mindone_tae.zoo.run.session import describe_session, differences, git_state


@pytest.fixture
def checkout(tmp_path):
    """A folder under git's control with one committed file, a.py, and its commit."""

    if shutil.which("git") is None:
        pytest.skip("git is not installed")

    def git(*words):
        return subprocess.run(
            ["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", *words],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    git("init", "--quiet", "--initial-branch=trunk")
    (tmp_path / "a.py").write_text("a = 1\n")
    git("add", "a.py")
    git("commit", "--quiet", "--message=first")
    return tmp_path, git("rev-parse", "HEAD")


def test_a_clean_checkout_is_told_from_a_changed_one(checkout):
    folder, commit = checkout
    clean = git_state(folder / "a.py")
    assert clean == {"folder": str(folder), "commit": commit, "branch": "trunk", "changed": [], "changed_count": 0}
    (folder / "a.py").write_text("a = 2\n")
    (folder / "b.py").write_text("")
    assert git_state(folder / "a.py") == {**clean, "changed": [" M a.py", "?? b.py"], "changed_count": 2}


def test_only_so_many_changes_are_listed_and_all_are_counted(checkout, monkeypatch):
    folder, _ = checkout
    monkeypatch.setattr(session, "_LISTED_CHANGES", 2)
    for name in "bcd":
        (folder / f"{name}.py").write_text("")
    state = git_state(folder / "a.py")
    assert (len(state["changed"]), state["changed_count"]) == (2, 3)


def test_code_that_git_does_not_keep_has_no_state(checkout, tmp_path_factory):
    folder, _ = checkout
    (folder / "b.py").write_text("")  # as a package that is installed in a checkout's .venv
    outside = tmp_path_factory.mktemp("outside") / "c.py"
    outside.write_text("")
    assert git_state(folder / "b.py") is None and git_state(outside) is None


def test_a_checkout_that_git_cannot_look_through_is_not_called_clean(checkout, monkeypatch):
    asked = session._git
    monkeypatch.setattr(session, "_git", lambda folder, *words: None if words[0] == "status" else asked(folder, *words))
    assert git_state(checkout[0] / "a.py")["changed"] is None


def test_what_may_change_a_run_between_two_sessions_is_told():
    before = describe_session(Env(device_target="CPU"), 0, clips=5, ranks=1)
    assert before["code"] is None or before["code"]["commit"]
    assert (
        before["machine"]["device"] == "CPU"
        and before["machine"]["cpus"] >= 1
        and before["machine"]["memory_bytes"] > 10**8
    )
    assert differences(before, before) == [] and differences({}, before) == []
    now = {**before, "clips": 6, "ranks": 2, "versions": {**before["versions"], "mindspore": "9.9"}}
    clips, ranks, versions = differences(before, now)
    assert "5 clips and has 6" in clips and "1 processes shared a step and 2 do" in ranks
    assert f"mindspore {before['versions']['mindspore']} -> 9.9" in versions
