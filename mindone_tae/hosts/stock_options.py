"""What stock code sets on a VAE: tiles, slices, recomputation and its config, under stock code's names."""

from __future__ import annotations

import inspect
import logging
import numbers

from mindone_tae.models.kernels.recompute import keep_activations

from .host_config import HostConfig

_logger = logging.getLogger(__name__)


class StockOptions:
    """Stands before ModelMixin and ConfigMixin; the class has `_tae`, a TemporalAutoencoder, once it is built."""

    _supports_gradient_checkpointing = True

    @property
    def config(self) -> HostConfig:
        """The constructor's keywords as items, and everything pipelines read as attributes.

        Attributes set later are not saved.
        """
        return self._host_config

    def register_to_config(self, **kwargs):
        """Changes the config; scaling_factor and shift_factor reach the network too."""
        super().register_to_config(**kwargs)
        given = self._internal_dict
        # past Cell's own: the first call comes before Cell is initialised
        object.__setattr__(self, "_host_config", HostConfig(given, 2 ** (len(given["block_out_channels"]) - 1)))
        tae = vars(self).get("_tae")
        if tae is not None:
            tae.scaling_factor = tae.scale_factor = given["scaling_factor"]
            tae.shift_factor = given["shift_factor"]

    def enable_tiling(self, *sizes, **named_sizes):
        """Encodes and decodes in tiles from now on, as `TemporalAutoencoder.enable_tiling`.

        AutoencoderKL's form is taken too: `enable_tiling(True)`, `enable_tiling(use_tiling=False)`. Strides are rounded
        down to a multiple of the network's ratio, with a warning, as stock code gives them in any number of pixels.

        Raises:
            ValueError: as there.
        """
        switch = named_sizes.pop("use_tiling", True)
        if sizes and isinstance(sizes[0], bool):
            switch, *sizes = sizes
        if not switch:
            return self.disable_tiling()
        given = inspect.signature(self._tae.enable_tiling).bind(*sizes, **named_sizes).arguments
        for name, value in given.items():
            if name.startswith("tile_sample_stride_"):
                given[name] = self._rounded_down(name, value)
        self._tae.enable_tiling(**given)

    def disable_tiling(self):
        """Encodes and decodes whole videos from now on."""
        self._tae.disable_tiling()

    def enable_slicing(self):
        """Runs the networks on one video of a batch at a time from now on."""
        self._tae.enable_slicing()

    def disable_slicing(self):
        """Runs the networks on whole batches from now on."""
        self._tae.disable_slicing()

    @property
    def use_tiling(self) -> bool:
        """Whether `encode` and `decode` work in tiles."""
        return self._tae.use_tiling

    @property
    def use_slicing(self) -> bool:
        """Whether `encode` and `decode` take one video of a batch at a time."""
        return self._tae.use_slicing

    @property
    def is_gradient_checkpointing(self) -> bool:
        """Whether the backward pass computes residual blocks again."""
        return self._recomputes

    def _set_gradient_checkpointing(self, enable: bool = True, **_):
        """Called by ModelMixin's enable_gradient_checkpointing and disable_gradient_checkpointing."""
        self._recomputes = enable
        if enable:
            self.encoder.recompute_blocks()
            self.decoder.recompute_blocks()
        else:
            for _, cell in (*self.encoder.cells_and_names(), *self.decoder.cells_and_names()):
                keep_activations(cell)

    def _rounded_down(self, name, stride):
        ratio = 2**self._tae.halvings
        if not isinstance(stride, numbers.Integral) or stride < ratio or not stride % ratio:
            return stride
        taken = stride // ratio * ratio
        _logger.warning("%s is %d; strides are multiples of %d: %d is taken", name, stride, ratio, taken)
        return taken
