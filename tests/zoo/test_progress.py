"""The bar and the log share a terminal without writing through one another."""

import io
import logging
import sys

import pytest
from terminal import Terminal

from mindone_tae.zoo import progress as module
from mindone_tae.zoo.progress import BarFriendlyHandler, Progress


@pytest.fixture
def logger():
    logger = logging.getLogger("mindone_tae.test_progress")
    logger.setLevel(logging.INFO)
    yield logger
    logger.handlers.clear()


def test_log_lines_stand_whole_above_the_bar(monkeypatch, logger):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    logger.addHandler(BarFriendlyHandler(terminal))
    with Progress("train", 4) as progress:
        progress.bar.mininterval = 0
        for step in range(4):
            progress.advance({"loss": f"{step}"})
            logger.info("step %d: psnr 20", step)
    screen = terminal.screen()
    assert screen[:4] == [f"step {step}: psnr 20" for step in range(4)]
    assert len(screen) == 5 and screen[4].startswith("train 100%") and screen[4].endswith("loss=3")


def test_without_a_terminal_there_are_lines_and_no_control_characters(monkeypatch, logger):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logger.addHandler(BarFriendlyHandler(stream))
    with Progress("train", 100) as progress:
        for step in range(100):
            progress.advance({"loss": "1"})
        logger.info("done")
    lines = stream.getvalue().splitlines()
    assert len(lines) == 11 and lines[-1] == "done" and all("\r" not in line and "\x1b" not in line for line in lines)
    assert lines[0].startswith("train 10/100 steps")


class Clock:
    """Stands for the module `time`."""

    now = 0.0

    def monotonic(self):
        return self.now


@pytest.mark.parametrize("terminal", [True, False])
def test_the_time_left_is_reckoned_without_the_steps_that_compile(monkeypatch, terminal):
    stream, clock = Terminal() if terminal else io.StringIO(), Clock()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(module, "time", clock)
    shown = []
    with Progress("train", 10) as progress:
        for seconds, usual in ((43, False), (2, True), (2, True), (100, False), (2, True)):
            clock.now += seconds
            progress.advance(usual=usual)
            shown.append(str(progress.bar) if terminal else stream.getvalue().splitlines()[-1])
    assert [line.partition(" gone, ")[2].partition(" left")[0] for line in shown] == [
        "?",
        "00:16",
        "00:14",
        "00:12",
        "00:10",
    ]


def test_the_first_step_of_each_shape_is_not_a_usual_one(foreign_recipe, tmp_path, monkeypatch):
    from mindone_tae.zoo import Trainer, load_recipe

    told = []
    monkeypatch.setattr(module.Progress, "advance", lambda self, figures=None, count=1, usual=True: told.append(usual))
    Trainer(load_recipe(foreign_recipe, ["train.steps=4", "env.mode=1"]), tmp_path / "run").run()
    assert told == [False, True, True, True]


def test_what_an_attempt_advanced_is_taken_back_where_it_fails(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress("encode", 10, "frames") as progress:
        with progress.attempt():
            progress.advance(count=4)
        with pytest.raises(ValueError, match="unreadable"), progress.attempt():
            progress.advance(count=4)
            raise ValueError("unreadable")
        with progress.attempt():
            progress.advance(count=2)
    assert [line.partition(" frames")[0] for line in stream.getvalue().splitlines()] == ["encode 4/10", "encode 8/10"]
    assert progress.bar.n == 6


FACTS = {"prefix": "train", "n": 1234, "total": 10147, "unit": "steps", "elapsed": 3723.0, "rate": 2.5}
FIGURES = {"loss": "1.015e+04", "s/step": "0.41", "psnr": "23.45 (18.20)", "mean": "1.234e+04"}


def test_at_any_width_from_40_on_only_whole_fields_are_shown():
    shown = module.fields(FACTS, FIGURES)
    whole = set(shown.values())
    for columns in range(40, 200):
        line = module.fitted(shown, columns)
        assert len(line) <= columns
        front, _, rest = line.removeprefix(shown["done"]).strip().rpartition("| ")
        assert not front or f"{front}|" == shown["bar"]
        assert set(rest.split(", ")) <= whole and "1234/10147 steps" in rest
    assert module.fitted(shown, 40) == "train  12% 1234/10147 steps, 59:25 left"
    assert module.fitted(shown, 79).endswith("59:25 left, loss=1.015e+04, psnr=23.45 (18.20)")
    assert set(module.fitted(shown, 199).split(", ")[1:]) <= whole


def test_a_terminal_of_40_columns_shows_the_loss_whole(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress("train", 300) as progress:
        progress.bar.mininterval, progress.bar.dynamic_ncols, progress.bar.ncols = 0, None, 40
        progress.advance({"loss": "1.015e+04", "mean": "1.2e+04"})
    assert terminal.screen()[-1] == "train   0% 1/300 steps, loss=1.015e+04"


class Broken(io.StringIO):
    def __init__(self, error, terminal):
        super().__init__()
        self.error, self.terminal = error, terminal

    def isatty(self):
        return self.terminal

    def write(self, text):
        raise self.error


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize(
    "error", [BrokenPipeError(32, "Broken pipe"), OSError(28, "No space left on device"), ValueError("closed")]
)
def test_progress_that_cannot_be_shown_ends_nothing(monkeypatch, logger, error, terminal):
    monkeypatch.setattr(sys, "stderr", Broken(error, terminal))
    monkeypatch.setattr(logging, "raiseExceptions", False)
    logger.addHandler(BarFriendlyHandler(sys.stderr))
    with Progress("train", 20) as progress:
        progress.bar.mininterval = 0
        for _ in range(20):
            progress.advance({"loss": "1"})
            logger.info("a line")
    assert progress.bar.n == 20


def test_progress_without_a_stderr_ends_nothing(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with Progress("train", 20) as progress:
        progress.advance({"loss": "1"}, count=20)
    assert progress.bar.n == 20
