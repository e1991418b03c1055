"""Batches by step number: step n's batch depends on the seed and n alone, so that a resumed run continues exactly."""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import UserError
from ..recipe.schema import MOST_STEPS

# One stream of random numbers for each purpose, so that adding one changes no other.
_ORDER, _ITEM, _CHOICE, _MODEL = range(4)


@dataclass(frozen=True)
class BatchLoader:
    """Draws batches from any dataset (see `zoo.protocols`).

    Epochs follow one another without a gap: step n takes the positions from n*batch*ranks on of an endless sequence of
    permutations, so that no clip is dropped and a dataset smaller than a batch still fills it.

    Args:
        dataset: has `len` and `[]`; `sample`, `step_choice` and `output_columns` are used where it has them.
        batch_size: items a batch on this rank.
        seed: of the order and of every item's randomness.
        shuffle: whether each epoch has its own order.
        num_workers: threads that read.
        prefetch_steps: batches read ahead.
        rank: this process.
        ranks: processes that share the data.

    Raises:
        UserError: for an empty dataset.
    """

    dataset: Any
    batch_size: int
    seed: int
    shuffle: bool = True
    num_workers: int = 2
    prefetch_steps: int = 2
    rank: int = 0
    ranks: int = 1

    def __post_init__(self):
        if len(self.dataset) == 0:
            raise UserError(
                "the dataset is empty; training needs at least one item: check dataset.csv_path and dataset.folder"
            )

    def steps_of(self, epochs: int) -> int:
        """Steps for a number of epochs, rounded up in total: the last one may take items of the next epoch.

        Raises:
            UserError: more than a run can have.
        """
        steps = -(-epochs * len(self.dataset) // (self.batch_size * self.ranks))
        if steps > MOST_STEPS:
            raise UserError(
                f"train.epochs is {epochs}, which makes {steps} steps; a run has at most {MOST_STEPS}: lower it"
            )
        return steps

    def positions(self, step: int) -> list[tuple[int, int]]:
        """(epoch, index in the dataset) of each item of this rank's batch."""
        found = []
        for place in self._places(step):
            epoch, index = divmod(place, len(self.dataset))
            if self.shuffle:
                index = int(_order(self.seed, epoch, len(self.dataset))[index])
            found.append((epoch, index))
        return found

    def model_rngs(self, step: int) -> list[np.random.Generator]:
        """A generator for each item of this rank's batch, for draws of the model on the host.

        An item's generator does not depend on the number of ranks or micro-steps that a step's items are split over.
        """
        return [np.random.default_rng([self.seed, _MODEL, place]) for place in self._places(step)]

    def _places(self, step):
        """Where this rank's batch is in the endless sequence."""
        first = (step * self.ranks + self.rank) * self.batch_size
        return range(first, first + self.batch_size)

    def batch(self, step: int) -> tuple[np.ndarray, ...]:
        """The columns of one batch, read here and now: tuple of arrays with a leading batch axis.

        Raises:
            UserError: the machine's memory does not hold it.
        """
        items = []
        for place in self.positions(step):
            items.append(self._item(*place, self._choice(step)))
            if len(items) == 1:
                self._check_memory(items[0])
        return self._stack(items)

    def _check_memory(self, item):
        batch = self.batch_size * sum(np.asarray(column).nbytes for column in item)
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if batch > machine:
            raise UserError(
                f"train.batch_size is {self.batch_size}; a batch takes {batch / 1e9:.3g} GB and this machine has "
                f"{machine / 1e9:.3g}: lower it, dataset.sample_n_frames or dataset.size"
            )

    def stream(self, first_step: int, last_step: int) -> Iterator[tuple[np.ndarray, ...]]:
        """Yields the batches of steps first_step up to, not including, last_step, read ahead in threads."""
        with ThreadPoolExecutor(self.num_workers, thread_name_prefix="loader") as pool:
            ahead = deque()
            try:
                for step in range(first_step, last_step):
                    while len(ahead) <= self.prefetch_steps and step + len(ahead) < last_step:
                        ahead.append(self._submit(pool, step + len(ahead)))
                    yield self._stack([item.result() for item in ahead.popleft()])
            finally:
                for items in ahead:
                    for item in items:
                        item.cancel()

    def _submit(self, pool, step):
        choice = self._choice(step)
        return [pool.submit(self._item, epoch, index, choice) for epoch, index in self.positions(step)]

    def _choice(self, step):
        # not seeded by the rank: all ranks make the same choice, or those with images would wait for one with a video
        choose = getattr(self.dataset, "step_choice", None)
        return choose(np.random.default_rng([self.seed, _CHOICE, step])) if choose else None

    def _item(self, epoch, index, choice):
        sample = getattr(self.dataset, "sample", None)
        if sample:
            item = sample(index, np.random.default_rng([self.seed, _ITEM, epoch, index]), choice)
        else:
            item = self.dataset[index]
        return item if isinstance(item, tuple) else (item,)

    def _stack(self, items):
        shapes = {tuple(np.shape(column) for column in item) for item in items}
        if len(shapes) > 1:
            raise UserError(
                f"a batch holds items of the shapes {sorted(shapes)}; they must be equal: "
                "fix dataset.size and dataset.sample_n_frames, or use train.batch_size=1"
            )
        return tuple(np.stack(column) for column in zip(*items))


@lru_cache(maxsize=2)  # a batch may reach into the next epoch
def _order(seed, epoch, items):
    """The order of a shuffled epoch's items."""
    return np.random.default_rng([seed, _ORDER, epoch]).permutation(items)
