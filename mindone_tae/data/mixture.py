"""The data set `mixture`: several data sets, each step from one of them, chosen by weight."""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import accumulate

import numpy as np

from mindone_tae.zoo.errors import UserError


class MixtureDataset:
    """Steps from several data sets.

    A step draws all its clips, uniformly, from one data set, so that its batch has one shape. Indexed (`dataset[i]`),
    the data sets follow one another, each item once.

    Args:
        components: the name and keywords of each data set.
        weights: relative frequencies of the components; None weighs them by their numbers of items.

    Raises:
        UserError: no components, weights that do not fit them, or different output_columns.
    """

    def __init__(self, components: list[dict], weights: list[float] | None = None):
        from mindone_tae.zoo.registry import build

        if not components:
            raise UserError("components is empty; a mixture needs at least one data set: add {name: tae_video, ...}")
        self._datasets = [build("mindone.datasets", component) for component in components]
        lengths = [len(dataset) for dataset in self._datasets]
        weights = lengths if weights is None else weights
        if len(weights) != len(components) or not all(math.isfinite(w) and w >= 0 for w in weights) or not sum(weights):
            raise UserError(
                f"weights is {weights}; it must have one number from 0 up for each of the {len(components)} "
                "components, not all 0: leave it out to weigh by numbers of items"
            )
        self._chances = np.asarray(weights, np.float64) / sum(weights)
        self._ends = list(accumulate(lengths))
        columns = {tuple(getattr(dataset, "output_columns", ())) for dataset in self._datasets}
        if len(columns) > 1:
            raise UserError(
                f"the components' output_columns are {sorted(columns)}; batches need the same everywhere: "
                "set them alike"
            )

    @property
    def output_columns(self) -> list[str]:
        """Names of the columns, those of every component."""
        return getattr(self._datasets[0], "output_columns", [])

    @property
    def unreadable(self) -> list[tuple[str, str]]:
        """(path, reason) of all components' files that are left out."""
        return [problem for dataset in self._datasets for problem in getattr(dataset, "unreadable", ())]

    def __len__(self) -> int:
        return self._ends[-1]

    def _place(self, index):
        """(data set, index in it)."""
        number = bisect_right(self._ends, index)
        return self._datasets[number], index - (self._ends[number - 1] if number else 0)

    def __getitem__(self, index: int):
        dataset, index = self._place(range(len(self))[index])
        return dataset[index]

    def step_choice(self, rng: np.random.Generator) -> tuple:
        """Draw which component a step takes, and that component's own choice."""
        number = int(rng.choice(len(self._datasets), p=self._chances))
        choose = getattr(self._datasets[number], "step_choice", None)
        return number, choose(rng) if choose else None

    def sample(self, index: int, rng: np.random.Generator, choice: tuple | None = None) -> tuple[np.ndarray, ...]:
        """Draw one sample.

        Args:
            index: from 0 to len - 1; with a choice, the item is drawn by rng instead.
            rng: all randomness comes from here.
            choice: from `step_choice`; None takes the item of the index.

        Returns:
            What the component gives.
        """
        if choice is None:
            dataset, index = self._place(index)
            inner = None
        else:
            number, inner = choice
            dataset = self._datasets[number]
            index = int(rng.integers(len(dataset)))
        sample = getattr(dataset, "sample", None)
        return sample(index, rng, inner) if sample else dataset[index]

    def describe(self, index: int) -> dict:
        """The component's `describe` of `self[index]`."""
        dataset, inner = self._place(index)
        return dataset.describe(inner) if hasattr(dataset, "describe") else {"path": str(index)}
