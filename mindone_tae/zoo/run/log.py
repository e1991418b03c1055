"""Writes the figures of a run to metrics.jsonl, TensorBoard and the log."""

import logging

import numpy as np

from ..printable import printable
from .curves import NOT_DRAWN
from .tensorboard import EventFile

_logger = logging.getLogger(__name__)

_PICTURE_FRAMES = 6


class TrainingLog:
    """Records a run's figures; a context manager.

    Args:
        run_folder: a RunFolder.
        first_step: steps made before this session; lines of later ones are dropped, as they are written again.

    Raises:
        UserError: here and in every method, the folder cannot be written.
    """

    def __init__(self, run_folder, first_step):
        self.run_folder = run_folder
        run_folder.start_metrics(first_step)
        self.events = EventFile(run_folder.tensorboard, first_step)

    def step(self, step: int, entry: dict) -> None:
        """Records a training step.

        Args:
            step: counted from 1.
            entry: name to figure.
        """
        self.run_folder.append_metrics({"step": step, **entry})
        self.events.scalars(step, {f"train/{name}": value for name, value in entry.items() if name not in NOT_DRAWN})

    def evaluation(self, step: int, result: dict, best: bool = False, pictures=None) -> None:
        """Records an evaluation; its line in metrics.jsonl comes last, as it marks the evaluation as done.

        Args:
            step: steps made.
            result: the Evaluator's.
            best: whether it is the best so far.
            pictures: path of its pictures, or None.
        """
        mean, baseline = result["mean"], result["baseline"]
        simple = baseline["mean"] if baseline else {}
        figures = {f"eval/{name}": value for name, value in mean.items()}
        for other in result["baselines"]:
            figures |= {f"eval/{name}_{other['name']}": value for name, value in other["mean"].items()}
        self.events.scalars(step, figures)
        for name, x, recon in result["pictures"]:
            self.events.picture(step, f"pictures/{printable(name)}", _rows(x, recon))
        self.events.flush()
        self.run_folder.append_metrics(
            {
                "step": step,
                "eval": mean,
                "baseline": simple or None,
                "baseline_name": baseline["name"] if baseline else None,
                "baselines": {other["name"]: other["mean"] for other in result["baselines"]},
                "eval_seconds": round(result["seconds"], 3),
            }
        )
        _logger.info("%s", evaluation_row(step, result, best, pictures))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.events.close()


class NoLog:
    """Replaces TrainingLog on ranks that do not log."""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def step(self, step: int, entry: dict) -> None:
        """Does nothing."""

    def evaluation(self, step: int, result: dict, best: bool = False, pictures=None) -> None:
        """Does nothing."""


def evaluation_row(step: int, result: dict, best: bool = False, pictures=None) -> str:
    """One line of the same columns for every evaluation of a run."""
    baseline = result["baseline"]
    cells = [f"step {step:>7}"]
    for name, value in result["mean"].items():
        beside = f" ({baseline['mean'][name]:7.3f})" if baseline else ""
        cells.append(f"{name} {value:7.3f}{beside}")
    cells.append(f"{result['seconds']:6.1f} s")
    cells.append("best" if best else "    ")
    return "  ".join([*cells, *([str(pictures)] if pictures else [])]).rstrip()


def listed_figures(figures: dict[str, float]) -> str:
    """'psnr 23.4, ssim 0.61'."""
    return ", ".join(f"{name} {value:.4g}" for name, value in figures.items())


def _rows(*videos):
    """A few frames of each video (c, t, h, w) in [-1, 1] in a row of its own, uint8 (rows*h, frames*w, 3)."""
    moments = np.unique(np.linspace(0, videos[0].shape[1] - 1, _PICTURE_FRAMES).round().astype(int))
    if videos[0].shape[0] != 3:  # another package's: its first channel, as grey
        videos = [video[:1] for video in videos]
    rows = [np.concatenate([video[:, moment] for moment in moments], axis=2) for video in videos]
    pixels = np.clip((np.concatenate(rows, axis=1) + 1) * 127.5, 0, 255).round().astype(np.uint8)
    return np.broadcast_to(pixels.transpose(1, 2, 0), (*pixels.shape[1:], 3))
