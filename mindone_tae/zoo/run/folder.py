"""A run's folder: resolved config, environment, log, metrics, checkpoints and the list of unreadable files."""

import json
import logging
import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..atomic_file import explained, remove_temporaries, set_aside, write_text
from ..printable import PrintableFormatter
from ..recipe.changes import recipe_changes
from ..spreadsheet import write_table
from .curves import metrics_entries
from .session import differences

_logger = logging.getLogger(__name__)

# Most characters of an incomplete last line of a killed run.
_HALF_LINE = 4096


class RunFolder:
    """The folder given by --output_path.

        config.yaml       the resolved recipe
        environment.json  versions, machine and state of the code, of each session
        log.txt           the log
        metrics.jsonl     one JSON object a line: training steps and evaluations
        unreadable.csv    path and reason of files left out; absent where there are none
        checkpoints/      see the module `checkpoints`
        pictures/         reconstructions of fixed clips
        tensorboard/      the same figures and pictures as event files

    Args:
        path: the folder; created if missing.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self.pictures = self.path / "pictures"
        self.tensorboard = self.path / "tensorboard"
        self.config = self.path / "config.yaml"
        self.environment = self.path / "environment.json"
        self.metrics = self.path / "metrics.jsonl"
        self.unreadable = self.path / "unreadable.csv"

    def start_session(self, recipe, facts: dict, goes_on: bool) -> list[str]:
        """Writes the session's recipe and environment.

        Args:
            recipe: a Recipe.
            facts: a dict by `session.describe_session`.
            goes_on: whether it resumes from a checkpoint; otherwise records of earlier sessions are dropped.

        Returns:
            Sentences on changes since the last session that may affect the run.
        """
        remove_temporaries(self.path)
        found, earlier = [], []
        if goes_on:
            changes = self.changes(recipe)
            found += [f"the recipe changed ({'; '.join(changes)})"] if changes else []
            earlier, changed = _read_back(self.environment, lambda before: _since(before, facts)) or ([], [])
            found += changed
        write_json(self.environment, {"sessions": [*earlier, {**facts, "changes": found}]})
        write_text(self.config, recipe.to_yaml())
        return found

    def changes(self, recipe) -> list[str]:
        """`recipe_changes` since the last session; [] where its recipe cannot be read."""
        return _read_back(self.config, lambda before: recipe_changes(before, recipe.to_yaml())) or []

    def start_metrics(self, last_step: int) -> None:
        """Drops the lines of later steps, which a resumed run writes again, and a killed run's incomplete line."""
        if not self.metrics.exists():
            return
        whole = list(self._metrics())
        bytes_kept = sum(len(line.encode("utf-8", "replace")) + 1 for line, _ in whole)
        if self.metrics.stat().st_size - bytes_kept > _HALF_LINE:  # less may be the incomplete line of a killed run
            _logger.warning(
                "parts of %s are damaged: it is kept as %s, and the run goes on", self.metrics, set_aside(self.metrics)
            )
        kept = [line for line, entry in whole if entry["step"] <= last_step]
        write_text(self.metrics, "".join(line + "\n" for line in kept))

    def last_learning_rate(self, last_step: int) -> float | None:
        """The learning rate of the last recorded step up to this one, or None."""
        rates = [
            entry["learning_rate"]
            for _, entry in self._metrics()
            if entry["step"] <= last_step and isinstance(entry.get("learning_rate"), (int, float))
        ]
        return rates[-1] if rates else None

    def evaluations(self, last_step: int) -> list[tuple[int, dict]]:
        """(step, metric to figure) of the evaluations in metrics.jsonl up to a step, in their order."""
        return [
            (entry["step"], entry["eval"])
            for _, entry in self._metrics()
            if "eval" in entry and entry["step"] <= last_step
        ]

    def _metrics(self):
        """(text, content) of the whole lines of metrics.jsonl."""
        return metrics_entries(self.metrics) if self.metrics.exists() else ()

    def append_metrics(self, entry: dict) -> None:
        """Appends one JSON line; NaN and infinity become null."""
        with explained(self.metrics):
            self.metrics.parent.mkdir(parents=True, exist_ok=True)
            with open(self.metrics, "a", encoding="utf-8") as lines:
                lines.write(json.dumps(_json_ready(entry)) + "\n")

    def write_unreadable(self, problems: Collection[tuple[str, str]]) -> None:
        """Lists the files that were left out.

        Args:
            problems: (path, reason) pairs; where there are none, there is no file.
        """
        if not problems:
            self.unreadable.unlink(missing_ok=True)
            return
        rows = ((str(path), str(reason)) for path, reason in problems)
        write_table(self.unreadable, ("path", "reason"), rows)

    @contextmanager
    def logged(self, logger: logging.Logger) -> Iterator[None]:
        """Context in which a logger's records also go to log.txt.

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
            with suppress(OSError):  # the rest of a line that a full disk did not take
                handler.close()


def write_json(path: str | Path, value: object) -> None:
    """Writes a JSON file atomically; NaN and infinity become null."""
    write_text(path, json.dumps(_json_ready(value), indent=2) + "\n")


def _read_back(path, read):
    """A record of an earlier session, or None where it is missing or damaged: the run does not depend on it.

    Args:
        path: its file.
        read: parses the file's text.
    """
    if not path.exists():
        return None
    try:
        return read(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        what = f"{type(error).__name__}: {error}"
        _logger.warning("%s is damaged (%s): it is kept as %s, and the run goes on", path, what, set_aside(path))
        return None


def _since(text, facts):
    """The sessions in environment.json, and the changes since the last of them."""
    sessions = json.loads(text)["sessions"]
    if not isinstance(sessions, list) or not all(isinstance(session, dict) for session in sessions):
        raise ValueError("its sessions are no list of objects")
    return sessions, differences(sessions[-1], facts)


def _json_ready(value):
    if isinstance(value, dict):
        return {key: _json_ready(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_ready(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
