"""Hooks of mkdocs (mkdocs.yml names this file): the pages that are made from what is elsewhere, and links between all
of them.

The home page is README.md, the recipes' page configs/README.md, the first steps the notebook with what it printed,
the commands' help is what the commands say, and the API has a page for each room.
"""

import base64
import io
import json
import os
import re
import sys
from contextlib import redirect_stdout
from pathlib import Path
from unittest.mock import patch

from mkdocs.structure.files import File

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGE = CHECKOUT / "mindone_tae"
NOTEBOOK = "examples/first_steps.ipynb"
# Files of the repository that are pages of the site.
PAGES = {
    "README.md": "index.md",
    "README.zh-CN.md": "index.zh-CN.md",
    "configs/README.md": "recipes.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "mindone_tae/weights/shipped/README.md": "shipped_weights.md",
    NOTEBOOK: "first_steps.md",
}
PAGES |= {
    path.relative_to(CHECKOUT).as_posix(): f"example_{path.parent.name}.md"
    for path in sorted((CHECKOUT / "examples").glob("*/README.md"))
}
# Rooms of the package, in the order of the API's pages.
ROOMS = ("models", "weights", "data", "losses", "metrics", "zoo", "hosts", "export", "cli")
LINK = re.compile(r"\[([^\]]*)\]\((?!https?://|mailto:|#)([^)\s#]+)(#[^)\s]*)?\)")
HELP = re.compile(r"^<!-- help: ([\w-]+) -->$", re.MULTILINE)


def on_config(config):
    """Lists the examples, and under "More" the pages of docs/ that the navigation does not name: none goes missing."""
    # mkdocstrings formats signatures by ruff, which it calls by name
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    examples = [page for page in PAGES.values() if page.startswith("example_")]
    if examples:
        config.nav.append({"Examples": examples})
    listed = set(_targets(config.nav))
    more = [path.name for path in sorted(Path(config.docs_dir).glob("*.md")) if path.name not in listed]
    if more:
        config.nav.append({"More": more})
    return config


def on_files(files, config):
    """Adds the pages that are made here."""
    for source, page in PAGES.items():
        if source != NOTEBOOK:
            text = (CHECKOUT / source).read_text(encoding="utf-8")
            files.append(File.generated(config, page, content=relinked(text, Path(source).parent)))
    page, pictures = notebook_page(json.loads((CHECKOUT / NOTEBOOK).read_text(encoding="utf-8")))
    files.append(File.generated(config, PAGES[NOTEBOOK], content=page))
    for name, content in pictures.items():
        files.append(File.generated(config, name, content=content))
    for room in ROOMS:
        files.append(File.generated(config, f"api/{room}.md", content=api_page(room)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Puts in the commands' help, and turns links out of docs/ to where they lead in the site."""
    if page.file.generated_by is None:
        markdown = relinked(markdown, Path("docs", page.file.src_uri).parent)
    return HELP.sub(lambda match: f"```text\n{help_of(match[1])}```", markdown)


def relinked(text, folder):
    """Markdown of a file of the repository, as a page of the site: links to what is no page are their text.

    Args:
        text: Markdown.
        folder: the file's, from the repository's top.
    """

    def replaced(match):
        words, target, part = match[1], match[2], match[3] or ""
        path = (CHECKOUT / folder / target).resolve()
        if not path.exists():
            return match[0]  # for mkdocs to complain of
        place = path.relative_to(CHECKOUT).as_posix()
        if place in PAGES:
            return f"[{words}]({PAGES[place]}{part})"
        return f"[{words}]({place[len('docs/') :]}{part})" if place.startswith("docs/") else words

    return LINK.sub(replaced, text)


def help_of(command):
    """What `mindone-tae COMMAND --help` prints, in lines that a page shows whole."""
    from mindone_tae.cli import run

    shown = io.StringIO()
    with patch.dict("os.environ", {"COLUMNS": "88"}), redirect_stdout(shown):
        run([command, "--help"])
    return shown.getvalue()


def notebook_page(notebook):
    """A notebook as Markdown with what it printed, and its pictures: (text, {name: PNG})."""
    parts, pictures = [], {}
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            data = output.get("data", {"text/plain": output.get("text", "")})
            if "image/png" in data:
                name = f"first_steps_{len(pictures) + 1}.png"
                pictures[name] = base64.b64decode("".join(data["image/png"]))
                parts.append(f"![What the cell shows]({name})")
            else:
                parts.append(f"```text\n{''.join(data['text/plain']).rstrip()}\n```")
    return "\n\n".join(parts) + "\n", pictures


def api_page(room):
    """Markdown by which mkdocstrings shows every module of a room that has something public to show."""
    modules = [f"# {room}"]
    for path in sorted((PACKAGE / room).rglob("*.py")):
        names = path.relative_to(CHECKOUT).with_suffix("").parts
        if not any(name.startswith("_") for name in names):
            modules.append(f"::: {'.'.join(names)}")
    return "\n\n".join(modules) + "\n"


def _targets(nav):
    for entry in nav or []:
        value = next(iter(entry.values())) if isinstance(entry, dict) else entry
        yield from [value] if isinstance(value, str) else _targets(value)
