"""What documents tell a reader to type works: Python runs, commands parse, links lead somewhere."""

import json
import re
import shlex
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

from mindone_tae.cli import run
from mindone_tae.cli.parser import parse

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "tools"))
from run_notebook import run_notebook

NOTEBOOK = CHECKOUT / "examples/first_steps.ipynb"
DOCUMENTS = sorted(
    [
        *CHECKOUT.glob("*.md"),
        *(CHECKOUT / "docs").glob("*.md"),
        *(CHECKOUT / "examples").glob("**/*.md"),
        CHECKOUT / "configs/README.md",
        CHECKOUT / "mindone_tae/weights/shipped/README.md",
    ]
)
TEXTS = {path.relative_to(CHECKOUT).as_posix(): path.read_text(encoding="utf-8") for path in DOCUMENTS}
TEXTS["examples/first_steps.ipynb"] = "\n\n".join(
    "".join(cell["source"]) for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
)


def lines_of(text, start):
    """The words after `start` of the lines of code blocks that have it, continued ones joined and comments cut off."""
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    found = [re.fullmatch(rf"(?:    |\$ |)\s*{start}(.*)", line) for line in lines]
    return [shlex.split(match[1], comments=True) for match in found if match]


def commands_of(text):
    """The words of each `mindone-tae ...` line, and of `msrun ... python -m mindone_tae ...`."""
    return lines_of(text, r"(?:mindone-tae|msrun .*python -m mindone_tae) (?=[a-z])")


def python_of(text):
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


COMMANDS = sorted({(name, tuple(words)) for name, text in TEXTS.items() for words in commands_of(text)})


def test_there_are_commands_to_look_at():
    assert {name for name, _ in COMMANDS} >= {"README.md", "docs/commands.md", "docs/latents.md", "docs/metrics.md"}


@pytest.mark.parametrize(("name", "words"), COMMANDS, ids=[f"{name}-{words[0]}" for name, words in COMMANDS])
def test_a_command_parses(name, words, tmp_path, monkeypatch):
    if "..." in words:
        pytest.skip("shortened for the reader")
    monkeypatch.chdir(tmp_path)
    for word in words[1:]:  # the files that it is about
        if re.fullmatch(r"[\w./-]+", word) and not word.startswith("-"):
            path = Path(word)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch() if path.suffix else path.mkdir(exist_ok=True)
    assert parse(words).name == words[0]


def test_scripts_targets_and_extras_that_documents_name_are_there():
    """A script's flags are in its text, or in that of the command that it passes them on to."""
    made = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    extras = (CHECKOUT / "setup.cfg").read_text(encoding="utf-8").partition("[options.extras_require]")[2]
    scripts = set()
    for name, text in TEXTS.items():
        for script, *words in lines_of(text, r"(?:\.venv/bin/)?python (?=\w+/)"):
            source = (CHECKOUT / script).read_text(encoding="utf-8")
            passed_on = "mindone-tae encode" in source
            for flag in (word for word in words if word.startswith("--")):
                command = "cli/commands/encode.py cli/flags.py".split() if passed_on else []
                texts = [source, *((CHECKOUT / "mindone_tae" / path).read_text(encoding="utf-8") for path in command)]
                assert any(f'"{flag}"' in text for text in texts), f"{name}: {script} {flag}"
            scripts.add(script)
        for target, *_ in lines_of(text, "make "):
            assert re.search(rf"^{target}:", made, re.MULTILINE), f"{name}: make {target}"
        for words in lines_of(text, "(?:python -m )?pip install "):
            named = re.findall(r"\[(.*?)\]", " ".join(words))
            assert all(f"\n{extra} =" in extras for group in named for extra in group.split(",")), f"{name}: {words}"
            folders = [word for word in words if word.startswith("./")]
            assert all((CHECKOUT / folder / "setup.cfg").is_file() for folder in folders), f"{name}: {words}"
    assert scripts >= {"tools/upstream.py", "tools/latents_to_tars.py", "examples/ray_encode/encode.py"}


def test_the_commands_page_tells_of_every_command_and_shows_its_help(capsys):
    assert run(["--help"]) == 0
    names = set(re.findall(r"^    ([a-z][\w-]*)(?:  |$)", capsys.readouterr().out, re.MULTILINE))
    assert {"list", "train", "lpips-weights"} <= names
    page = TEXTS["docs/commands.md"]
    told = {name for heading in re.findall(r"^## (.+)$", page, re.MULTILINE) for name in heading.split(", ")}
    assert names - told == set(), "commands without a section"
    assert told - names == set(), "sections of no command"
    shown = set(re.findall(r"<!-- help: (\S+) -->", page))
    assert names - shown <= {"list", "rfvd-weights"}, "commands whose help is not shown"


# Python that needs what a command of the page writes first: the test that runs it.
RUN_BY = {"docs/export.md": "tests/cli/commands/test_export.py"}


@pytest.mark.parametrize(("page", "test"), RUN_BY.items())
def test_python_that_is_run_elsewhere_is_run_there(page, test):
    source = (CHECKOUT / test).read_text(encoding="utf-8")
    assert Path(page).name in source and "exec(" in source and python_of(TEXTS[page])


# The Chinese one has the same Python, which a test below sees to.
@pytest.mark.parametrize(
    "name", sorted({name for name in TEXTS if python_of(TEXTS[name])} - {"README.zh-CN.md", *RUN_BY})
)
def test_python_of_a_document_runs_and_prints_what_its_comments_say(name, tmp_path, monkeypatch, capsys):
    """In PyNative mode whatever it sets: the tests of the models compile graphs."""
    import mindspore as ms

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ms, "set_context", lambda **_: None)
    namespace = {}
    for source in python_of(TEXTS[name]):
        exec(compile(textwrap.dedent(source), name, "exec"), namespace)
        printed = capsys.readouterr().out.splitlines()
        told = re.findall(r"^print\(.*\)  # (.*)$", source, re.MULTILINE)
        assert len(printed) == len(told)
        for line, comment in zip(printed, told):
            rest = comment.removeprefix(line)
            assert comment.startswith(line) and rest[:1] in ("", ":", "\uff1a")


def test_the_notebook_runs_from_top_to_bottom_and_prints_what_is_stored_in_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stored = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    for found, expected in zip(outputs_of(run_notebook(stored)), outputs_of(stored), strict=True):
        assert NUMBER.sub("0", found) == NUMBER.sub("0", expected)
        # the last digit that is printed may be another one on another processor
        figures = [list(map(float, NUMBER.findall(text))) for text in (found, expected)]
        assert figures[0] == pytest.approx(figures[1], rel=0.02, abs=0.02)
    pictures = [output for output in outputs_of(stored, "image/png") if output]
    assert len(pictures) == 2, "frames are shown inline"


NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:e[+-]\d+)?")


def outputs_of(notebook, kind="text/plain"):
    """The text, or the picture, of each output of a notebook."""
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    return ["".join(output.get("data", {"text/plain": output.get("text", "")}).get(kind, "")) for output in outputs]


def test_the_chinese_readme_gives_the_same_commands_and_the_same_python():
    english, chinese = TEXTS["README.md"], TEXTS["README.zh-CN.md"]
    assert commands_of(chinese) == commands_of(english)

    def code(text):
        return [re.sub(r"\s*#.*", "", source) for source in python_of(text)]

    assert code(chinese) == code(english)
    made = re.compile(r"^    (make \w+|pip install .*?)\s*(?:#.*)?$", re.MULTILINE)
    assert made.findall(chinese) == made.findall(english)


@pytest.mark.parametrize("name", [name for name in TEXTS if name.endswith(".md")])
def test_a_link_to_a_file_finds_it(name):
    folder = (CHECKOUT / name).parent
    targets = re.findall(r"\]\((?!https?://|mailto:|#)([^)\s#]+)", TEXTS[name])
    assert [target for target in targets if not (folder / target).exists()] == []


def test_pages_and_recipes_have_lines_of_at_most_120_characters():
    """Rows of tables, pictures and lines with an address excepted."""
    not_wrapped = ("CHANGELOG.md", "README.zh-CN.md", "mindone_tae/weights/shipped/README.md")
    recipes = [CHECKOUT / "setup.cfg", *(CHECKOUT / "configs").rglob("*.yaml")]
    texts = {name: text for name, text in TEXTS.items() if name not in not_wrapped}
    texts |= {path.relative_to(CHECKOUT).as_posix(): path.read_text(encoding="utf-8") for path in recipes}
    long = [
        f"{name}: {line}"
        for name, text in texts.items()
        if not name.endswith(".ipynb")
        for line in text.splitlines()
        if len(line) > 120 and not line.startswith(("|", "![", "description =")) and "://" not in line
    ]
    assert not long


@pytest.mark.parametrize("name", ["wrong", "wish", "ascend"])
def test_an_issue_form_is_one(name):
    form = yaml.safe_load((CHECKOUT / f".github/ISSUE_TEMPLATE/{name}.yml").read_text(encoding="utf-8"))
    assert form["name"] and form["description"]
    identities = [field["id"] for field in form["body"]]
    assert len(set(identities)) == len(identities) > 0
    for field in form["body"]:
        assert field["type"] in ("input", "textarea", "dropdown", "checkboxes") and field["attributes"]["label"]
        assert field["type"] not in ("dropdown", "checkboxes") or field["attributes"]["options"]
