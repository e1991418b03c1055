"""What a run leaves behind: resolved config, log, metrics, checkpoints, the list of unreadable files."""

import csv
import json
import logging
import math
from pathlib import Path

from .atomic_file import replacing


class RunFolder:
    """The folder given by --output_path.

        config.yaml       the resolved recipe
        log.txt           what was said
        metrics.jsonl     one JSON object a line: training steps and evaluations
        unreadable.csv    path and reason of files left out; absent where there are none
        checkpoints/      see `checkpoint`
        pictures/         reconstructions of fixed clips

    Args:
        path: the folder; made where it is missing.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self.pictures = self.path / "pictures"
        self.config = self.path / "config.yaml"
        self.metrics = self.path / "metrics.jsonl"
        self.unreadable = self.path / "unreadable.csv"

    def write_config(self, recipe):
        """Writes the resolved recipe."""
        self.write_text(self.config, recipe.to_yaml())

    def write_text(self, path, text):
        """Writes a text file, whole or not at all."""
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def write_json(self, path, value):
        """Writes a JSON file, whole or not at all; NaN and infinity become null."""
        self.write_text(path, json.dumps(_json_ready(value), indent=2) + "\n")

    def start_metrics(self, last_step):
        """Drops lines of steps after last_step, which a resumed run computes again, and a half line of a killed one."""
        if not self.metrics.exists():
            return
        kept = []
        for line in self.metrics.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue
            if entry.get("step", 0) <= last_step:
                kept.append(line)
        self.write_text(self.metrics, "".join(line + "\n" for line in kept))

    def append_metrics(self, entry):
        """Appends one JSON line."""
        self.metrics.parent.mkdir(parents=True, exist_ok=True)
        with open(self.metrics, "a", encoding="utf-8") as lines:
            lines.write(json.dumps(_json_ready(entry)) + "\n")

    def write_unreadable(self, problems):
        """Lists the files that were left out.

        Args:
            problems: (path, reason) pairs; where there are none, no file is written.
        """
        if not problems:
            return
        with replacing(self.unreadable) as temporary, open(temporary, "w", newline="", encoding="utf-8") as table:
            writer = csv.writer(table)
            writer.writerow(["path", "reason"])
            writer.writerows((str(path), str(reason)) for path, reason in problems)

    def log_to_file(self, logger):
        """Sends a logger's records to log.txt as well; gives the handler, to be removed at the end."""
        self.path.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(self.path / "log.txt", encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger.addHandler(handler)
        return handler


def _json_ready(value):
    if isinstance(value, dict):
        return {key: _json_ready(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_ready(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
