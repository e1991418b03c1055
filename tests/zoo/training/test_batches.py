"""What a step trains on depends on the seed and the step alone."""

import numpy as np
import pytest

from mindone_tae.zoo import UserError
from mindone_tae.zoo.training.batches import BatchLoader


class Numbers:
    """Items that tell their index and what was drawn for them."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def step_choice(self, rng):
        return 1 if rng.random() < 0.5 else 3

    def sample(self, index, rng, choice):
        return np.full(choice, index), rng.random()


def test_a_stream_started_in_the_middle_gives_the_same_batches():
    whole = list(BatchLoader(Numbers(7), 2, seed=1).stream(0, 20))
    late = list(BatchLoader(Numbers(7), 2, seed=1, num_workers=4, prefetch_steps=5).stream(11, 20))
    for expected, found in zip(whole[11:], late, strict=True):
        for column, other in zip(expected, found):
            np.testing.assert_array_equal(column, other)


def test_an_epoch_visits_every_item_once_and_the_next_in_another_order():
    loader = BatchLoader(Numbers(10), 2, seed=3)
    epochs = [[index for step in range(first, first + 5) for _, index in loader.positions(step)] for first in (0, 5)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(10))] * 2
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize(
    "items, batch_size, ranks, epochs, steps",
    [(10, 2, 1, 3, 15), (3, 2, 1, 2, 3), (100, 64, 1, 10, 16), (100, 8, 8, 10, 16), (1, 4, 2, 3, 1)],
)
def test_epochs_take_the_steps_that_their_items_fill(items, batch_size, ranks, epochs, steps):
    # the last batch of an epoch is filled from the next one: only the very last step may take more than was asked for
    assert BatchLoader(Numbers(items), batch_size, seed=0, ranks=ranks).steps_of(epochs) == steps


def test_a_batch_has_one_shape_and_both_occur():
    lengths = [batch[0].shape for batch in BatchLoader(Numbers(5), 4, seed=0).stream(0, 30)]
    assert set(lengths) == {(4, 1), (4, 3)}


def test_ranks_share_the_items_and_the_choice():
    ranks = [BatchLoader(Numbers(8), 2, seed=5, rank=rank, ranks=2) for rank in (0, 1)]
    whole = BatchLoader(Numbers(8), 4, seed=5)
    for step in range(4):
        assert ranks[0].positions(step) + ranks[1].positions(step) == whole.positions(step)
        assert ranks[0].batch(step)[0].shape == ranks[1].batch(step)[0].shape


def test_a_dataset_smaller_than_the_batch_fills_it():
    assert BatchLoader(Numbers(2), 5, seed=0).batch(0)[0].shape[0] == 5


def test_items_of_different_shapes_are_refused_with_the_remedy():
    class Uneven(list):
        def __getitem__(self, index):
            return np.zeros(index + 1)

    with pytest.raises(UserError, match="train.batch_size=1"):
        BatchLoader(Uneven([0, 1]), 2, seed=0).batch(0)


def test_an_empty_dataset_is_refused():
    with pytest.raises(UserError, match="empty"):
        BatchLoader([], 1, seed=0)
