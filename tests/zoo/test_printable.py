"""Names from files cannot control a terminal or add lines to a log."""

import logging
import sys
import unicodedata

import pytest

from mindone_tae.cli.console import Console
from mindone_tae.cli.mistakes import report
from mindone_tae.zoo import UserError
from mindone_tae.zoo.printable import PrintableFormatter, printable, shown

CLEAR_SCREEN = "\x1b[2J\x1b[31mred"
HOSTILE = [
    "a\nerror: all is well",
    "a\rb",
    CLEAR_SCREEN,
    "\x9b2J",
    "\u202ecod.exe",
    "a\u2028b",
    "\udcff.mp4",
    "\ud800",
    "\x07",
    "\x7f",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_would_act_is_written_as_an_escape(text):
    found = printable(text)
    assert found != text and found.isprintable() and len(found.splitlines()) == 1
    found.encode("utf-8")


@pytest.mark.parametrize("text", ["größer", "日本語.mp4", "a b 'c' \"d\" \\n", "👩‍🚀"])
def test_what_only_shows_stays(text):
    assert printable(text) == text


def test_every_control_character_of_unicode_is_escaped():
    acting = [
        chr(number) for number in range(sys.maxunicode) if unicodedata.category(chr(number)) in ("Cc", "Cs", "Zl", "Zp")
    ]
    assert len(acting) > 2000 and not [character for character in acting if character in printable(character)]


def test_a_byte_that_is_no_utf8_is_shown_as_that_byte():
    assert printable(b"caf\xe9.mp4".decode("utf-8", "surrogateescape")) == "caf\\xe9.mp4"


def test_long_texts_and_values_are_cut_without_being_written_out():
    assert len(printable("x" * 10**7)) < 5000
    tree = [0]
    for _ in range(200):
        tree = [tree, tree]  # written out it would have 2**200 numbers
    assert len(shown(tree)) < 300
    assert shown(10**5000) == "a whole number of more than 200 digits"
    assert shown({"a": [1, "b"], 2: (3,)}) == "{'a': [1, 'b'], 2: (3,)}"


@pytest.mark.parametrize("text", HOSTILE)
def test_an_error_the_console_and_the_log_show_them_as_escapes(text, capsys):
    console = Console()
    console.print(f"bad {text}")
    report(UserError(f"first {text}", "second"), console)
    try:
        raise KeyError(text)
    except KeyError as error:
        report(error, console)
    shown = capsys.readouterr()
    assert all(line.isprintable() for line in (shown.out + shown.err).split("\n"))
    assert (
        shown.err.split("\n")[:2] == [f"error: first {printable(text)}", "error: second"]
        and len(shown.out.split("\n")) == 2
    )
    record = logging.LogRecord("a", logging.INFO, "f", 1, "left out: %s", (text,), None)
    assert PrintableFormatter("%(message)s").format(record) == f"left out: {printable(text)}"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(28, "No space left on device", "/full/a.csv"), "/full/a.csv: No space left on device"),
        (OSError(36, "File name too long", "a" * 300), "File name too long"),
        (OSError(5, "Input/output error"), "Input/output error"),
        (MemoryError("Unable to allocate 8 TiB"), "Unable to allocate 8 TiB"),
    ],
)
def test_what_the_machine_refuses_is_one_line_and_no_traceback(error, told, capsys):
    assert report(error, Console()) == 2
    shown = capsys.readouterr().err
    assert told in shown and len(shown.splitlines()) == 1 and shown.startswith("error: ")
