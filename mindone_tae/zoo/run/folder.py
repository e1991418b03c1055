"""What a run leaves behind: resolved config, log, metrics, checkpoints, what it was made with, the list of unreadable files."""

import csv
import json
import logging
import math
from contextlib import contextmanager
from pathlib import Path

from ..atomic_file import explained, remove_temporaries, replacing
from ..printable import PrintableFormatter
from ..recipe.changes import recipe_changes
from .session import differences


class RunFolder:
    """The folder given by --output_path.

        config.yaml       the resolved recipe
        environment.json  versions, machine and state of the code, of each session
        log.txt           what was said
        metrics.jsonl     one JSON object a line: training steps and evaluations
        unreadable.csv    path and reason of files left out; absent where there are none
        checkpoints/      see the module `checkpoints`
        pictures/         reconstructions of fixed clips
        tensorboard/      the same figures and pictures as event files

    Args:
        path: the folder; made where it is missing.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self.pictures = self.path / "pictures"
        self.tensorboard = self.path / "tensorboard"
        self.config = self.path / "config.yaml"
        self.environment = self.path / "environment.json"
        self.metrics = self.path / "metrics.jsonl"
        self.unreadable = self.path / "unreadable.csv"

    def start_session(self, recipe, facts, goes_on):
        """Writes what this session computes, and with what.

        Args:
            recipe: a Recipe.
            facts: a dict by `sessions.describe_session`.
            goes_on: it goes on from a checkpoint; otherwise earlier sessions left nothing, and are forgotten.

        Returns:
            Sentences on what changed since the last session and may change the run.
        """
        remove_temporaries(self.path)
        text, found, earlier = recipe.to_yaml(), [], []
        if goes_on and self.config.exists():
            changes = recipe_changes(self.config.read_text(encoding="utf-8"), text)
            found += [f"the recipe changed ({'; '.join(changes)})"] if changes else []
        if goes_on and self.environment.exists():
            earlier = json.loads(self.environment.read_text(encoding="utf-8"))["sessions"]
            found += differences(earlier[-1], facts)
        self.write_json(self.environment, {"sessions": [*earlier, {**facts, "changes": found}]})
        self.write_text(self.config, text)
        return found

    def write_text(self, path, text):
        """Writes a text file, whole or not at all."""
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def write_json(self, path, value):
        """Writes a JSON file, whole or not at all; NaN and infinity become null."""
        self.write_text(path, json.dumps(_json_ready(value), indent=2) + "\n")

    def start_metrics(self, last_step, evaluated):
        """Drops what a resumed run computes again, and a half line of a killed one.

        Args:
            last_step: lines of later steps go.
            evaluated: evaluations of later steps go; None: all of them.
        """
        if not self.metrics.exists():
            return
        lasts = {True: min(evaluated or 0, last_step), False: last_step}
        kept = [line for line, entry in self._metrics() if entry["step"] <= lasts["eval" in entry]]
        self.write_text(self.metrics, "".join(line + "\n" for line in kept))

    def evaluations(self, last_step):
        """The (step, metric to figure) pairs of the evaluations in metrics.jsonl, in their order; those of later steps are left out."""
        if not self.metrics.exists():
            return []
        return [(entry["step"], entry["eval"]) for _, entry in self._metrics() if "eval" in entry and entry["step"] <= last_step]

    def _metrics(self):
        """(text, content) of the whole lines of metrics.jsonl."""
        for line in self.metrics.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
                whole = isinstance(entry["step"], int)
            except (ValueError, TypeError, KeyError):
                continue
            if whole:
                yield line, entry

    def append_metrics(self, entry):
        """Appends one JSON line; NaN and infinity become null."""
        with explained(self.metrics):
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

    @contextmanager
    def logged(self, logger):
        """While it is entered, a logger's records go to log.txt as well.

        Raises:
            UserError: the folder cannot be written.
        """
        log = self.path / "log.txt"
        with explained(log):
            self.path.mkdir(parents=True, exist_ok=True)
            handler = logging.FileHandler(log, encoding="utf-8")
        handler.setFormatter(PrintableFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            handler.close()


def _json_ready(value):
    if isinstance(value, dict):
        return {key: _json_ready(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_ready(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
