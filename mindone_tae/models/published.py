"""The published network's constructor keywords; they need no MindSpore."""

from .latent.scaling import SCALING_FACTOR, SHIFT_FACTOR

TAE_CONFIG = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 16,
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "dropout": 0.0,
    "scaling_factor": SCALING_FACTOR,
    "shift_factor": SHIFT_FACTOR,
}
