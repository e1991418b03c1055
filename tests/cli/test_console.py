"""Colour where a terminal shows it, and nobody asked for none."""

import io
import logging

import pytest

from mindone_tae.cli.console import Console, _Format


class Terminal(io.StringIO):
    def isatty(self):
        return True


def lines(monkeypatch, stream, environment):
    """What a console with this stderr writes of an error, a warning and an evaluation."""
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stderr", stream)
    console, form = Console(), _Format(stream)
    console.error("error: \x1b[2Jno", "another line")
    told = [
        ("mindone_tae.a", logging.WARNING, "left out"),
        ("mindone_tae.zoo.run.log", logging.INFO, "step 8  psnr 20  best  here/best"),
        ("mindone_tae.a", logging.INFO, "the  best  of all"),
    ]
    logged = [form.format(logging.LogRecord(name, level, "f", 1, text, None, None)) for name, level, text in told]
    return stream.getvalue().splitlines() + logged


PLAIN = [
    "error: \\x1b[2Jno",
    "another line",
    "warning: left out",
    "step 8  psnr 20  best  here/best",
    "the  best  of all",
]


def test_a_terminal_has_colour(monkeypatch):
    assert lines(monkeypatch, Terminal(), {"TERM": "xterm"}) == [
        "\x1b[31merror:\x1b[0m \\x1b[2Jno",
        "another line",
        "\x1b[33mwarning:\x1b[0m left out",
        "step 8  psnr 20  \x1b[32mbest\x1b[0m  here/best",
        "the  best  of all",
    ]


@pytest.mark.parametrize(
    ("kind", "environment"),
    [(Terminal, {"TERM": "xterm", "NO_COLOR": "1"}), (Terminal, {"TERM": "dumb"}), (io.StringIO, {"TERM": "xterm"})],
)
def test_elsewhere_and_with_no_color_there_is_none(monkeypatch, kind, environment):
    assert lines(monkeypatch, kind(), environment) == PLAIN
