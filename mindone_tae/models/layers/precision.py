"""What a host sets on all cells of a network at once: MindSpore's mixed precision, and training or evaluation.

`to_float`, `amp.auto_mixed_precision` (O2 and O3) and `amp.custom_mixed_precision` set flags on cells. By these
MindSpore casts, in graph mode, a cell's inputs and parameters; in PyNative mode, the inputs of every operator, a norm's
and a softmax's too, but not those of the gradients that kernels define, which then meet two types. Here a flag sets the
type that a layer computes in, as the constructor's `dtype` does: norms, softmax and posterior stay float32, and both
modes and the gradients agree.

`set_train` sets a flag on all cells, but on the cell it is called on alone the phase, by which graph mode chooses among
a cell's graphs. Here every cell that is given the flag sets its phase too: a model's `encode` and `decode` call its
encoder and decoder as if these were networks of their own.
"""

from mindspore import nn
from mindspore._c_expression import MixedPrecisionType

from .dtypes import compute_dtype

# MindSpore's flags, and the types they ask for.
_ASKED = {"fp16": "float16", "bf16": "bfloat16", "fp32": "float32"}


class OwnPrecision(nn.Cell):
    """A cell that takes a host's flags of mixed precision as its own `dtype`, where it has one."""

    def __init__(self):
        super().__init__()
        # in PyNative mode, what this cell computes is not cast by the flag of a host's cell around it either
        self.mixed_precision_type = MixedPrecisionType.NOTSET

    def add_flags(self, **flags):
        """As any cell's, but for those of mixed precision and training.

        Raises:
            ValueError: the device cannot compute in the type asked for.
        """
        asked = [kind for flag, kind in _ASKED.items() if flags.pop(flag, False)]
        if asked and "dtype" in vars(self):
            self.compute_in(compute_dtype(asked[0], "to_float's type"))
        if "training" in flags:
            self.phase = "train" if flags["training"] else "predict"
        return super().add_flags(**flags)

    def compute_in(self, dtype):
        """Computes in this type from now on.

        Args:
            dtype: a MindSpore type.
        """
        self.dtype = dtype
