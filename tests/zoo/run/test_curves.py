"""A run's figures are read and drawn in any state of the run."""

import json

import numpy as np
import pytest
from PIL import Image

from mindone_tae.cli import run
from mindone_tae.zoo import UserError
from mindone_tae.zoo.run.curves import read_curves


@pytest.fixture
def make_run(tmp_path):
    """make_run(name, steps) writes a folder with a metrics.jsonl."""

    def make(name, steps, factor=1.0, evaluated=True):
        folder = tmp_path / name
        folder.mkdir()
        lines = []
        for step in range(1, steps + 1):
            loss = factor * 100 / step
            figures = {
                "learning_rate": 0.1 / step,
                "gradient_norm": 1.0,
                "loss_scale": 1.0,
                "shape": [1, 3],
                "refused": step == 3,
            }
            lines.append(
                {
                    "step": step,
                    "loss": None if step == 3 else loss,
                    "l1": loss / 2,
                    "kl": loss,
                    **figures,
                    "seconds": 9.0 if step == 1 else 0.5,
                    "data_seconds": 0.01,
                }
            )
            if evaluated and step % 4 == 0:
                lines.append(
                    {
                        "step": step,
                        "eval": {"psnr": 10.0 + step},
                        "baseline": {"psnr": 21.0},
                        "baseline_name": "average_pooling",
                        "eval_seconds": 1.0,
                    }
                )
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return folder

    return make


def test_losses_figures_and_metrics_come_back_by_name(make_run):
    curves = read_curves(make_run("a", 8))
    assert list(curves.losses) == ["loss", "l1", "kl"] and list(curves.metrics) == ["psnr"]
    steps, values = curves.losses["loss"]
    np.testing.assert_array_equal(steps, np.arange(1, 9))
    assert np.isnan(values[2]) and values[3] == 25 and curves.refused == [3]
    np.testing.assert_array_equal(curves.metrics["psnr"], [[4, 8], [14, 18]])
    assert curves.baselines == {"psnr": ("average_pooling", 21.0)}
    assert curves.figures["seconds"][1][0] == 9


def test_a_torn_line_of_a_running_or_killed_run_is_passed_over(make_run):
    folder = make_run("a", 5)
    with open(folder / "metrics.jsonl", "a") as lines:
        lines.write('{"step": 6, "lo')
    assert len(read_curves(folder).losses["loss"][0]) == 5


def test_plot_draws_one_run_and_several(make_run, capsys):
    one, two = make_run("one", 30), make_run("two", 12, 2.0, evaluated=False)
    assert run(["plot", str(one)]) == 0
    assert capsys.readouterr().out.strip() == str(one / "curves.png")
    alone = np.asarray(Image.open(one / "curves.png").convert("RGB"))
    # six panels: loss, l1, kl, PSNR, learning rate, seconds
    assert alone.shape[1] > alone.shape[0] > 600 and len(np.unique(alone.reshape(-1, 3), axis=0)) > 50
    assert run(["plot", str(one), str(two), "--output_path", str(one / "both.png")]) == 0
    both = np.asarray(Image.open(one / "both.png").convert("RGB"))
    red = np.array([214, 96, 77])
    assert (both == red).all(axis=2).sum() > 200 > (alone == red).all(axis=2).sum()


def test_a_run_whose_every_loss_is_not_finite_is_drawn_too(make_run):
    folder = make_run("nan", 3)
    lines = [
        {**json.loads(line), "loss": None, "l1": None} for line in (folder / "metrics.jsonl").read_text().splitlines()
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert run(["plot", str(folder)]) == 0


@pytest.mark.parametrize("name, text, message", [("none", None, "train's --output_path"), ("empty", "", "no figures")])
def test_a_folder_without_figures_is_named(tmp_path, capsys, name, text, message):
    (tmp_path / name).mkdir()
    if text is not None:
        (tmp_path / name / "metrics.jsonl").write_text(text)
    with pytest.raises(UserError, match=message):
        read_curves(tmp_path / name)
    assert run(["plot", str(tmp_path / name)]) == 2
    assert name in capsys.readouterr().err


def test_only_png_is_written(make_run, capsys):
    assert run(["plot", str(make_run("a", 3)), "--output_path", "a.pdf"]) == 2
    assert ".png" in capsys.readouterr().err


HOSTILE_LINES = [
    b"\x00" * 5000,
    b"\xff\xfe\xfd",
    b"[" * 10_000,
    b'{"step": ' + b"9" * 5000 + b"}",
    b'{"step": 1e999, "loss": 1}',
    b'{"step": true, "loss": 1}',
    b'{"step": -5, "loss": 1}',
    b'{"step": 3, "eval": [1], "baseline": 5}',
    b'{"step": 3, "eval": {"psnr": [1]}}',
    b'{"step": 3, "eval": {"psnr": 1}, "baseline": {"psnr": 2}, "baseline_name": {}}',
    b'{"step": 4, "loss": 1' + b"0" * 400 + b', "seconds": NaN}',
    b'{"step": 4, "loss": -Infinity, "$\\\\frac$": 1e308, "a\\u001b[2J": 1}',
    b'{"step": 4, ' + b", ".join(b'"loss%d": 1' % number for number in range(500)) + b"}",
]


@pytest.mark.parametrize("whole", [0, 12])
def test_a_damaged_file_is_drawn_as_far_as_it_is_one_or_refused_in_one_line(make_run, capsys, whole):
    folder = make_run("run $\\frac{a}$ \x1b[2J", whole)
    with open(folder / "metrics.jsonl", "ab") as lines:
        lines.write(b"\n".join(HOSTILE_LINES[: 10 if not whole else None]))
    assert run(["plot", str(folder)]) == (0 if whole else 2)
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err and "Traceback" not in shown.err
    assert len((shown.out + shown.err).splitlines()) == 1


def test_a_name_with_a_formula_is_drawn_letter_by_letter(make_run):
    assert run(["plot", str(make_run("$\\undefined", 3))]) == 0
