"""The optimizer's state shared out among the ranks (ZeRO, arXiv 1910.02054), by mindone's ZeroHelper."""

import tempfile

import mindspore as ms
import numpy as np
from mindspore import ops
from mindspore.communication import GlobalComm

from ..errors import UserError


def check_stage(stage, env):
    """Refuses what cannot work, before anything is built.

    Args:
        stage: train.zero_stage.
        env: the recipe's env section.

    Raises:
        UserError: stage 3, stage 2 on a CPU, or a single process.
    """
    if stage == 0:
        return
    if stage == 3:
        raise UserError(
            "train.zero_stage is 3; mindone splits only the cells it knows, and sums no other cell's gradients over the ranks, so that a "
            "model with cells of its own would be trained wrongly: use train.zero_stage=2, or 1"
        )
    if stage == 2 and env.device_target == "CPU":
        raise UserError("train.zero_stage is 2; it scatters gradients, for which MindSpore has no CPU kernel (ReduceScatter): use train.zero_stage=1")
    if not env.distributed:
        raise UserError(f"train.zero_stage is {stage}; one process has nobody to share with: set env.distributed=true and start by msrun, or train.zero_stage=0")


def zero_helper(optimizer, stage, ranks):
    """mindone's helper for a stage; None for 0 and for one rank.

    Args:
        optimizer: a MindSpore optimizer that has made no step.
        stage: 0, 1 or 2.
        ranks: Ranks.
    """
    if stage == 0 or ranks.count == 1:
        return None
    # It writes down who has which part; here that is read off the helper itself.
    from mindone.trainers.zero import ZeroHelper  # here: it brings all of mindone.transformers along, which takes seconds and prints

    return ZeroHelper(optimizer, stage, GlobalComm.WORLD_COMM_GROUP, params_split_info=tempfile.mkdtemp(prefix="mindone_tae-"))


class Shards:
    """Which parameters of a training step are parts, and what they are parts of.

    Args:
        helper: a ZeroHelper whose step is built, so that everything is split.
        ranks: Ranks.
    """

    def __init__(self, helper, ranks):
        self._ranks = ranks
        self._is_split = helper.need_parameter_split
        self._weights, self._copies = list(helper.ori_parameters), list(helper.optimizer.parameters)
        moments = helper.get_optimizer_param_tuples()
        self._parts = {id(group[i]) for i, split in enumerate(self._is_split) for group in moments if split}

    def whole(self, parameter, array):
        """The whole array of a parameter, of the parts that all ranks have. Called by all of them, in the same order."""
        return ops.AllGather()(ms.Tensor(array)).asnumpy() if id(parameter) in self._parts else array

    def own(self, parameter, array):
        """What of a whole array is this rank's."""
        return self._part(array) if id(parameter) in self._parts else array

    def copy_weights(self):
        """Takes this rank's copies anew from the weights, which were set from outside."""
        for weight, copy, split in zip(self._weights, self._copies, self._is_split):
            copy.set_data(ms.Tensor(self._part(weight.asnumpy()) if split else weight.asnumpy()))

    def _part(self, array):
        return np.split(array, self._ranks.count)[self._ranks.rank]
