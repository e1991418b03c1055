"""The processes that train one model together, a card each, and what they tell one another outside of the training step."""

import json

import numpy as np

import mindspore as ms
from mindspore import ops


class Ranks:
    """This process among those of the run. Every method is called by all of them, in the same order.

    Args:
        rank: this process, from 0.
        count: how many there are.

    Attributes:
        rank, count: these.
        first: whether this is the one that writes, draws and speaks.
    """

    def __init__(self, rank=0, count=1):
        self.rank = rank
        self.count = count
        self.first = rank == 0

    def share(self, number):
        """The range of 0 to number - 1 that is this process's: neighbours, as many as the others have, or one more."""
        each, more = divmod(number, self.count)
        start = self.rank * each + min(self.rank, more)
        return range(start, start + each + (self.rank < more))

    def mean(self, figures):
        """The mean of each figure over the ranks, a list of floats in float32's precision."""
        if self.count == 1:
            return list(figures)
        total = ops.AllReduce(ops.ReduceOp.SUM)(ms.Tensor(np.asarray(figures, np.float32))).asnumpy()
        return [float(value) for value in total / self.count]

    def largest(self, number):
        """The largest whole number that a rank gave."""
        if self.count == 1:
            return number
        # Gathered, as a CPU reduces no whole numbers.
        return int(ops.AllGather()(ms.Tensor(np.asarray([number], np.int32))).asnumpy().max())

    def gather(self, value):
        """What every rank gave, in their order.

        Args:
            value: anything that JSON can hold.
        """
        if self.count == 1:
            return [value]
        # As int32, the smallest that a CPU gathers.
        letters = np.frombuffer(json.dumps(value).encode(), np.uint8).astype(np.int32)
        length = self.largest(len(letters))
        padded = np.full(length, ord(" "), np.int32)
        padded[: len(letters)] = letters
        together = ops.AllGather()(ms.Tensor(padded)).asnumpy().astype(np.uint8)
        return [json.loads(part.tobytes()) for part in together.reshape(self.count, length)]
