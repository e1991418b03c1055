"""The device, the mode and the seed a run computes with."""

import random

import numpy as np

import mindspore as ms

from ..errors import UserError
from .msrun import end_with_msrun, started_by_msrun
from .ranks import Ranks

_BFLOAT16 = ("bfloat16", "bf16")
# Keywords of init_env that concern Ascend only.
_ASCEND_ONLY = ("precision_mode", "jit_level", "max_device_memory")


def check_device(env, model: dict) -> None:
    """Refuses settings that would fail on the device or between processes, before anything is built.

    Args:
        env: the recipe's env section.
        model: the recipe's model section.

    Raises:
        UserError: bfloat16 or kept graphs on a CPU, a device that is not available, or an env.distributed that does not
            match how the process was started.
    """
    if env.distributed and not started_by_msrun():
        raise UserError(
            "env.distributed is true, and msrun did not start this process: put "
            "`msrun --worker_num=N --local_worker_num=N --join=True --log_dir=DIR python -m` before mindone_tae, or "
            "add env.distributed=false"
        )
    if started_by_msrun() and not env.distributed:
        raise UserError(
            "msrun started this process, and env.distributed is false, so that each would do all of it: "
            "add env.distributed=true to the command"
        )
    if env.device_target == "CPU" and model.get("dtype") in _BFLOAT16:
        raise UserError(
            f"model.dtype is {model['dtype']}; MindSpore has no bfloat16 convolution, norm or matmul on a CPU: "
            "add model.dtype=float32 to the command, or model.dtype=float16, or run on Ascend"
        )
    if env.device_target == "CPU" and env.cache_graph:
        raise UserError(
            "env.cache_graph is true; on a CPU a graph that MindSpore loads from its cache computes with other weights "
            "than the network's: add env.cache_graph=false to the command"
        )
    if env.device_target == "Ascend" and not ms.device_context.ascend.is_available():
        more = " model.dtype=float32" if model.get("dtype") in _BFLOAT16 else ""
        raise UserError(
            "env.device_target is Ascend; MindSpore finds no Ascend on this machine: "
            f"add env.device_target=CPU{more} to the command, or run where the card and its software are"
        )


def start(env, model: dict, seed: int) -> Ranks:
    """Initializes MindSpore by the recipe's env section.

    Args:
        env: the recipe's env section.
        model: the recipe's model section.
        seed: seeds MindSpore's own generators; the host uses generators of its own.

    Returns:
        Ranks. msrun's scheduler process does not return from here: it ends with the ranks.

    Raises:
        UserError: as `check_device`.
    """
    check_device(env, model)
    end_with_msrun()
    # Imported here: mindone takes a second to import, and a refused device need not wait for it.
    from mindone.utils import init_env

    # a CPU has one executor, no mixed precision, and no limit of device memory
    ascend = {} if env.device_target == "CPU" else {key: getattr(env, key) for key in _ASCEND_ONLY}
    if env.device_target == "Ascend" and env.conv_allow_hf32 is not None:
        ms.device_context.ascend.op_precision.conv_allow_hf32(env.conv_allow_hf32)
    _, rank, ranks = init_env(
        mode=env.mode,
        device_target=env.device_target,
        debug=env.debug,
        seed=seed,
        cache_graph=env.cache_graph,
        cache_path=env.cache_path,
        distributed=env.distributed,
        **ascend,
    )
    if env.deterministic:
        ms.set_deterministic(True)
    if env.device_target == "CPU" and env.mode == ms.PYNATIVE_MODE:
        # PyNative mode hands operators to queues whose threads spin while they wait, and so take a CPU's cores from the
        # operators. Launched one after another, operators take half to a third of the time.
        ms.runtime.launch_blocking()
    return Ranks(rank, ranks)


def seed_step(seed: int, step: int, rank: int) -> None:
    """Seeds the generators of Python, NumPy and MindSpore for one step.

    So a step's draws depend neither on the steps before it nor on how often the run was stopped. Random operators
    inside a compiled graph have a state of their own that MindSpore does not expose; a model that is to resume exactly
    draws in `training_inputs`, see `protocols`.

    Args:
        seed: the recipe's.
        step: counted from 0.
        rank: this process.
    """
    number = int(np.random.SeedSequence([seed, step, rank]).generate_state(1)[0])
    random.seed(number)
    ms.set_seed(number % 2**31)  # NumPy's too
    ms.manual_seed(number)
