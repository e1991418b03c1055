"""While a graph compiles: a line that ticks on a terminal, one line of the log elsewhere."""

import io
import logging
import sys
import time

import pytest
from terminal import Terminal

from mindone_tae.zoo import compiling as module
from mindone_tae.zoo.compiling import FirstCalls, compiling, tick
from mindone_tae.zoo.progress import Progress


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(module, "_took", [])
    monkeypatch.setattr(module, "_TICK_SECONDS", 0.01)


def test_a_terminal_has_a_line_that_ticks_beside_the_bar_and_goes(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress("train", 4) as progress:
        progress.bar.mininterval = 0
        progress.advance({"loss": "1"})
        with compiling("a training step for 1x3x8x64x64"):
            end = time.monotonic() + 10
            while terminal.getvalue().count("compiling") < 4 and time.monotonic() < end:
                time.sleep(0.01)
            bar, line = terminal.screen()
            assert bar.startswith("train") and line.startswith(
                "compiling a training step for 1x3x8x64x64: 0 s, as a rule"
            )
        progress.advance({"loss": "2"})
        assert len(terminal.screen()) == 1 and terminal.screen()[0].endswith("loss=2")
    assert terminal.getvalue().count("compiling") >= 4
    length = len(terminal.getvalue())
    time.sleep(0.05)
    assert len(terminal.getvalue()) == length


@pytest.mark.parametrize("columns", range(12, 130))
def test_the_line_is_made_of_whole_fields_at_any_width(columns):
    fields = ["compiling the encoder for 1x3x32x256x256:", "compiling the encoder:", "207 s", "as a rule minutes"]
    line = tick("the encoder for 1x3x32x256x256", "as a rule minutes", 207.2, columns)
    rest = line
    for field in fields:
        rest = rest.replace(field, "", 1)
    assert len(line) <= columns and rest.strip(" ,") == ""
    assert columns < 40 or "207 s" in line and "compiling the encoder" in line


def test_elsewhere_the_log_has_one_line_before_the_first_call_of_a_shape(monkeypatch, caplog):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    calls = FirstCalls("the evaluation", graphs=True)
    with caplog.at_level(logging.INFO, "mindone_tae"):
        for shape in ((1, 3, 8), (1, 3, 8), (1, 3, 16)):
            with calls.of(shape), compiling("the encoder inside"):
                pass
        with FirstCalls("the evaluation", graphs=False).of((2, 2)):
            pass
    told = [record.getMessage().partition(";")[0] for record in caplog.records]
    # the second call of the first shape compiles nothing of its own, and the encoder says so itself
    assert told == [
        "compiling the evaluation for 1x3x8",
        "compiling the encoder inside",
        "compiling the evaluation for 1x3x16",
    ]
    assert "the last took 0 s" in caplog.text
