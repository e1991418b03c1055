"""The figures of a run, where they are looked for: metrics.jsonl, TensorBoard, the log."""

import logging

import numpy as np

from .curves import NOT_DRAWN
from .tensorboard import EventFile

_logger = logging.getLogger(__name__)

_PICTURE_FRAMES = 6


class TrainingLog:
    """Keeps a run's figures. Used as a context manager.

    Args:
        run_folder: a RunFolder.
        first_step: steps made before this session; lines of later ones are dropped, as they are made again.
        evaluated: the last step whose evaluation is on record, or None.

    Raises:
        UserError: from here and every method, the folder cannot be written.
    """

    def __init__(self, run_folder, first_step, evaluated):
        self.run_folder = run_folder
        run_folder.start_metrics(first_step, evaluated)
        self.events = EventFile(run_folder.tensorboard, first_step)

    def step(self, step, entry):
        """Notes a training step.

        Args:
            step: counted from 1.
            entry: name to figure.
        """
        self.run_folder.append_metrics({"step": step, **entry})
        self.events.scalars(step, {f"train/{name}": value for name, value in entry.items() if name not in NOT_DRAWN})

    def evaluation(self, step, result):
        """Notes an evaluation.

        Args:
            step: steps made.
            result: the Evaluator's.
        """
        mean, baseline = result["mean"], result["baseline"]
        simple = baseline["mean"] if baseline else {}
        self.run_folder.append_metrics(
            {
                "step": step,
                "eval": mean,
                "baseline": simple or None,
                "baseline_name": baseline["name"] if baseline else None,
                "eval_seconds": round(result["seconds"], 3),
            }
        )
        figures = {f"eval/{name}": value for name, value in mean.items()}
        self.events.scalars(step, {**figures, **{f"eval/{name}_{baseline['name']}": value for name, value in simple.items()}})
        for name, x, recon in result["pictures"]:
            self.events.picture(step, f"pictures/{name}", _rows(x, recon))
        self.events.flush()
        beside = f" ({baseline['name']}: {listed_figures(simple)})" if baseline else ""
        _logger.info("step %d: %s%s", step, listed_figures(mean), beside)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.events.close()


class NoLog:
    """Stands for the log in processes that keep none."""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def step(self, step, entry):
        """Notes nothing."""

    def evaluation(self, step, result):
        """Notes nothing."""


def listed_figures(figures):
    """'psnr 23.4, ssim 0.61'."""
    return ", ".join(f"{name} {value:.4g}" for name, value in figures.items())


def _rows(*videos):
    """A few frames of each video (c, t, h, w) in [-1, 1] in a row of its own, uint8 (rows*h, frames*w, 3)."""
    moments = np.unique(np.linspace(0, videos[0].shape[1] - 1, _PICTURE_FRAMES).round().astype(int))
    rows = [np.concatenate([video[:, moment] for moment in moments], axis=2) for video in videos]
    pixels = np.clip((np.concatenate(rows, axis=1) + 1) * 127.5, 0, 255).round().astype(np.uint8)
    return np.broadcast_to(pixels.transpose(1, 2, 0), (*pixels.shape[1:], 3))
