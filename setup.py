"""All is in setup.cfg but the long description: an index shows README.md without the repository around it."""

import configparser
import re
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).resolve().parent
# ![text](target) and [text](target), whose target is a path in the repository
LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?!https?://|mailto:|#)(?P<target>[^)\s]+)\)")


def for_an_index(readme, source=None):
    """README.md with no link that breaks where its repository is not.

    Args:
        readme: Markdown, whose links and pictures may be paths in the repository.
        source: the repository's address, as project_urls in setup.cfg names it under `Source`; None where it has none.

    Returns:
        Markdown: with an address, links and pictures lead there; without one, links are their text and pictures are
        left out.
    """

    def replaced(match):
        if source:
            kind = "raw" if match["picture"] else "blob"
            return f"{match['picture']}[{match['text']}]({source.rstrip('/')}/{kind}/main/{match['target']})"
        return "" if match["picture"] else match["text"]

    text = LINK.sub(replaced, readme)
    return text if source else re.sub(r"\n{3,}", "\n\n", text)


def source_address():
    """The address under `Source` in setup.cfg's project_urls, or None."""
    settings = configparser.ConfigParser()
    settings.read(HERE / "setup.cfg", encoding="utf-8")
    lines = settings.get("metadata", "project_urls", fallback="").splitlines()
    addresses = dict(map(str.strip, line.split("=", 1)) for line in lines if "=" in line)
    return addresses.get("Source")


if __name__ == "__main__":
    setup(
        long_description=for_an_index((HERE / "README.md").read_text(encoding="utf-8"), source_address()),
        long_description_content_type="text/markdown",
    )
