"""The attacks of tools/attack.py: the docs name each of them, and one that falls is told."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import attack  # noqa: E402
from attacks.running import Attack, Result, Said, refused  # noqa: E402


def test_the_docs_table_has_every_attack_and_no_other():
    text = (ROOT / "docs/reliability.md").read_text(encoding="utf-8").partition("## Damaged files")[0]
    rows = re.findall(r"^\| ([^|]+?) \| (?:\d+|not run) \|", text, re.MULTILINE)
    assert rows == [each.name for each in attack.ATTACKS]


def test_an_attack_that_falls_or_fails_itself_is_told(tmp_path):
    def run(folder):
        assert folder.is_dir()
        yield Result("good", True)
        yield Result("bad", False, "what was said")
        raise RuntimeError("the attack is broken")

    results = attack.tried(Attack("some", "something", run), tmp_path / "here")
    assert [result.survived for result in results] == [True, False, False]
    assert "the attack is broken" in results[-1].seen and not (tmp_path / "here").exists()


def test_a_refusal_is_status_2_in_clean_lines():
    assert refused("", Said(2, "", "error: a.pt: damaged\n", 1.0)).survived
    for said in (
        Said(1, "", "error: a\n", 1.0),
        Said(2, "", "", 1.0),
        Said(2, "", 'Traceback (most recent call last):\n  File "a"\nerror: a\n', 1.0),
        Said(2, "", "error: \x1b[2J\n", 1.0),
        Said(-9, "", "error: a\n", 1.0),
    ):
        assert not refused("", said).survived
