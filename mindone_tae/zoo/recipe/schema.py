"""The sections of a recipe that the host itself reads: their keys, types, defaults and units.

`at_least` and `above` are the lower bounds of a number, inclusive and exclusive; `at_most` and `below` the upper ones.
`at_most` is generous: beyond it the machine would refuse, or be busy for ever, before the first step.
"""

from dataclasses import dataclass, field, fields
from typing import Literal

# Names that mindone.trainers can build.
OPTIMIZERS = ("adam", "adamw", "adamw_re", "adamw_bf16", "adamw_mint", "sgd", "momentum", "came")
SCHEDULERS = ("constant", "cosine_decay", "polynomial_decay", "multi_step_decay", "cosine_annealing_warm_restarts_lr")
# The optimizers whose betas may be 0, and the usual betas of one that has more than two.
_TAKE_ZERO = ("adamw_re", "came", "sgd", "momentum")
_BETAS = {"came": [0.9, 0.999, 0.9999]}
# Bounds of any count, and of a run's steps, for each of which a learning rate is computed before the first.
_COUNT = 10**9
MOST_STEPS = 10**7
_BATCH = 2**16
_SCHEDULER_BOUNDS = {
    **dict.fromkeys(("lr", "end_lr", "warmup_factor", "decay_rate"), {"at_least": 0}),
    **dict.fromkeys(("warmup_steps", "decay_steps"), {"at_least": 0, "at_most": MOST_STEPS}),
    "num_cycles": {"at_least": 1, "at_most": MOST_STEPS},
}

_PRECISION_MODES = Literal[
    "force_fp16",
    "allow_fp32_to_fp16",
    "allow_mix_precision",
    "must_keep_origin_dtype",
    "force_fp32",
    "allow_fp32_to_bf16",
    "allow_mix_precision_fp16",
    "allow_mix_precision_bf16",
]


def _number(default, **bounds):
    return field(default=default, metadata=bounds)


@dataclass(frozen=True)
class Env:
    """Where and how MindSpore runs."""

    mode: Literal[0, 1] = 0  # 0 graph, 1 PyNative
    device_target: Literal["Ascend", "CPU"] = "Ascend"
    # graph mode: O0 kernel by kernel, O1 with fusion, O2 whole graph; null: MindSpore's choice
    jit_level: Literal["O0", "O1", "O2"] | None = "O1"
    debug: bool = False  # PyNative, and errors where they happen
    distributed: bool = False  # several workers, started by msrun
    precision_mode: _PRECISION_MODES | None = None  # Ascend only; null: MindSpore's choice
    # Ascend only: whether float32 convolutions may be computed in HF32; null: MindSpore's choice, true
    conv_allow_hf32: bool | None = None
    max_device_memory: str | None = None  # Ascend only, with its unit: "59GB"; null: all
    cache_graph: bool = False  # keep compiled graphs between runs; not on a CPU; can go stale when code changes
    cache_path: str = "./cache"  # folder for compiled graphs
    deterministic: bool = False  # same result at every run, slower


@dataclass(frozen=True)
class Loader:
    """How samples reach the training loop."""

    num_workers: int = _number(2, at_least=1, at_most=1024)  # threads that read samples
    prefetch_steps: int = _number(2, at_least=0, at_most=10_000)  # steps read ahead
    shuffle: bool = True  # a new order every epoch


@dataclass(frozen=True)
class Train:
    """The training loop. Exactly one of `steps` and `epochs` is set."""

    steps: int | None = _number(None, at_least=1, at_most=MOST_STEPS)  # optimizer steps
    epochs: int | None = _number(None, at_least=1, at_most=MOST_STEPS)  # passes over the dataset
    batch_size: int = _number(1, at_least=1, at_most=_BATCH)  # samples a step and device
    seed: int = _number(42, at_least=0, at_most=2**32 - 1)
    save_every: int = _number(1000, at_least=1, at_most=_COUNT)  # steps
    eval_every: int = _number(0, at_least=0, at_most=_COUNT)  # steps; 0: never
    log_every: int = _number(1, at_least=1, at_most=_COUNT)  # steps
    keep_checkpoints: int = _number(3, at_least=1, at_most=_COUNT)  # the latest so many; older ones are removed
    # metric of eval.metrics, such as psnr, whose best checkpoint is kept as well; null: none
    keep_best: str | None = None
    clip_norm: float | None = _number(1.0, above=0)  # gradient's global norm; null: no clipping
    gradient_accumulation_steps: int = _number(1, at_least=1, at_most=_COUNT)  # batches an optimizer step
    loss_scale: float = _number(1.0, above=0)  # factor
    dynamic_loss_scale: bool = False  # the factor follows overflows
    ema_decay: float | None = _number(None, above=0, below=1)  # a step; null: no moving average of the weights
    # steps in a row whose loss is not finite before the run stops
    max_nonfinite_steps: int = _number(10, at_least=1, at_most=_COUNT)


@dataclass(frozen=True)
class Adversarial:
    """How the model and the section discriminator's network are trained against each other."""

    weight: float = _number(0.5, above=0)  # of the adversarial loss in the model's loss; see adaptive
    # true: weight is relative to the norm of the loss's own gradient at the last layer, as in VQGAN; false: a factor
    adaptive: bool = True
    last_layer: str | None = None  # parameter whose gradients are compared; null: the model's last kernel
    start_step: int = _number(0, at_least=0, at_most=_COUNT)  # steps before the discriminator is trained and used
    # the discriminator's learning rate over the model's at the same step
    learning_rate_ratio: float = _number(1.0, above=0)
    optimizer: dict | None = None  # the discriminator's own; null: as the optimizer section
    ema_decay: float | None = _number(None, above=0, below=1)  # a step; null: no moving average of the discriminator


@dataclass(frozen=True)
class Eval:
    """Evaluation on fixed clips, while training and by the evaluator."""

    dataset: dict | None = None  # component; what differs from the dataset section
    baseline: dict | list | None = None  # model component to compare with, or a list of them; null: none
    metrics: list = field(default_factory=lambda: ["psnr", "ssim"])  # names or components
    batch_size: int = _number(1, at_least=1, at_most=_BATCH)  # clips
    max_clips: int | None = _number(None, at_least=1, at_most=_COUNT)  # clips; null: all
    picture_clips: int = _number(4, at_least=0, at_most=1000)  # clips drawn as pictures


SECTIONS = {"env": Env, "loader": Loader, "adversarial": Adversarial, "train": Train, "eval": Eval}


def out_of_bounds(section: str, values: dict) -> list[tuple[str, str]]:
    """The (key, text) pairs of numbers outside their bounds.

    Args:
        section: its name in SECTIONS.
        values: key to value, of the right types.
    """
    texts = {entry.name: _outside(values.get(entry.name), entry.metadata) for entry in fields(SECTIONS[section])}
    return [(key, text) for key, text in texts.items() if text]


def wrong_optimizer(values: dict) -> list[tuple[str, str]]:
    """The (key, text) pairs of an optimizer's numbers that it would refuse or diverge with.

    Args:
        values: keyword to value, of the right types, and name.
    """
    name, betas, eps = values["name"], values.get("betas"), values.get("eps")
    mistakes = [("weight_decay", _outside(values.get("weight_decay"), {"at_least": 0}))]
    mistakes += [("eps", _outside(value, {"above": 0})) for value in (eps if isinstance(eps, list) else [eps])]
    if betas is not None:
        usual = _BETAS.get(name, [0.9, 0.999])
        lowest = {"at_least": 0} if name in _TAKE_ZERO else {"above": 0}
        wrong = len(betas) != len(usual) or any(_outside(beta, {**lowest, "below": 1}) for beta in betas)
        rule = f"must be {len(usual)} numbers, {'0 or more' if name in _TAKE_ZERO else 'above 0'} and below 1"
        mistakes += [("betas", f"{rule}, not {betas}: write such as {usual}" if wrong else None)]
    return _once(mistakes)


def wrong_scheduler(values: dict) -> list[tuple[str, str]]:
    """The (key, text) pairs of a scheduler's numbers outside their bounds; `values` as in `wrong_optimizer`."""
    return _once((key, _outside(values.get(key), bounds)) for key, bounds in _SCHEDULER_BOUNDS.items())


def _once(mistakes):
    """The first text of each key that has one."""
    return list({key: (key, text) for key, text in reversed(list(mistakes)) if text}.values())


def _outside(value, bounds):
    """The rule that a number breaks; None where it is within its bounds."""
    if not isinstance(value, (int, float)):
        return None
    # "not >=" rather than "<": a nan is outside every bound.
    if "at_least" in bounds and not value >= bounds["at_least"]:
        return f"must be {bounds['at_least']} or more, not {value}"
    if "above" in bounds and not value > bounds["above"]:
        return f"must be above {bounds['above']}, not {value}"
    if "at_most" in bounds and not value <= bounds["at_most"]:
        return f"must be {bounds['at_most']} or less, not {value}"
    if "below" in bounds and not value < bounds["below"]:
        return f"must be below {bounds['below']}, not {value}"
    return None
