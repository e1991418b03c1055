"""The device, the mode and the seed a run computes with."""

import logging

import mindspore as ms
from packaging.version import Version

from .errors import UserError

_logger = logging.getLogger(__name__)

# From 2.9.0 on every 3x3 convolution on a CPU falls to a reference kernel, measured 100 times slower.
_FIRST_SLOW_ON_CPU = Version("2.9.0")
_BFLOAT16 = ("bfloat16", "bf16")


def check_device(env, model):
    """Refuses what is known to fail on the device, before anything is built.

    Args:
        env: the recipe's env section.
        model: the recipe's model section.

    Raises:
        UserError: bfloat16 on a CPU, or a device this MindSpore has not.
    """
    if env.device_target == "CPU" and model.get("dtype") in _BFLOAT16:
        raise UserError(
            f"model.dtype is {model['dtype']}; MindSpore has no bfloat16 convolution, norm or matmul on a CPU: "
            "add model.dtype=float32 to the command, or run on Ascend"
        )
    if env.device_target == "Ascend" and not ms.device_context.ascend.is_available():
        more = " model.dtype=float32" if model.get("dtype") in _BFLOAT16 else ""
        raise UserError(
            "env.device_target is Ascend; MindSpore finds no Ascend on this machine: "
            f"add env.device_target=CPU{more} to the command, or run where the card and its software are"
        )


def start(env, model, seed):
    """Brings MindSpore up as the recipe's env section says.

    Args:
        env: the recipe's env section.
        model: the recipe's model section.
        seed: seeds MindSpore's own generators; what the host draws has generators of its own.

    Returns:
        rank and number of ranks.

    Raises:
        UserError: as `check_device`.
    """
    check_device(env, model)
    # Imported here: mindone takes a second to import, and a refused device need not wait for it.
    from mindone.utils import init_env

    if env.device_target == "CPU" and Version(ms.__version__) >= _FIRST_SLOW_ON_CPU:
        _logger.warning(
            "MindSpore %s runs convolutions on a CPU about 100 times slower than 2.8: install mindspore==2.8.0", ms.__version__
        )
    _, rank, ranks = init_env(
        mode=env.mode,
        device_target=env.device_target,
        debug=env.debug,
        seed=seed,
        cache_graph=env.cache_graph,
        cache_path=env.cache_path,
        distributed=env.distributed,
        precision_mode=env.precision_mode,
        # the level chooses between Ascend's executors; a CPU has one
        jit_level=env.jit_level if env.device_target != "CPU" else None,
        max_device_memory=env.max_device_memory,
    )
    if env.deterministic:
        ms.set_deterministic(True)
    return rank, ranks
