"""The processes that train one model together, a card each, and their communication outside the training step."""

import json

import numpy as np

import mindspore as ms
from mindspore import ops


class Ranks:
    """This process and the number of all processes of the run. All of them call every method, in the same order.

    Args:
        rank: this process, from 0.
        count: number of processes.

    Attributes:
        rank, count: see Args.
        first: whether this is rank 0, which alone writes, draws and logs.
    """

    def __init__(self, rank: int = 0, count: int = 1):
        self.rank = rank
        self.count = count
        self.first = rank == 0

    def share(self, number: int) -> range:
        """This process's contiguous part of range(number); the parts differ in length by one at most."""
        each, more = divmod(number, self.count)
        start = self.rank * each + min(self.rank, more)
        return range(start, start + each + (self.rank < more))

    def mean(self, figures: list[float]) -> list[float]:
        """The mean of each figure over the ranks, a list of floats in float32's precision."""
        if self.count == 1:
            return list(figures)
        total = ops.AllReduce(ops.ReduceOp.SUM)(ms.Tensor(np.asarray(figures, np.float32))).asnumpy()
        return [float(value) for value in total / self.count]

    def largest(self, number: int) -> int:
        """The largest whole number of all ranks."""
        if self.count == 1:
            return number
        # AllGather, as a CPU has no AllReduce of integers.
        return int(ops.AllGather()(ms.Tensor(np.asarray([number], np.int32))).asnumpy().max())

    def gather(self, value) -> list:
        """The values of all ranks, in their order.

        Args:
            value: JSON value.
        """
        if self.count == 1:
            return [value]
        # As int32, the smallest type that a CPU gathers.
        letters = np.frombuffer(json.dumps(value).encode(), np.uint8).astype(np.int32)
        length = self.largest(len(letters))
        padded = np.full(length, ord(" "), np.int32)
        padded[: len(letters)] = letters
        together = ops.AllGather()(ms.Tensor(padded)).asnumpy().astype(np.uint8)
        return [json.loads(part.tobytes()) for part in together.reshape(self.count, length)]
