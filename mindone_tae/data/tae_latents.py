"""The data set `tae_latents`: latents written by `mindone-tae encode`, for training without videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mindone_tae.zoo.errors import UserError, require_one_of

from .latents.clip import CONVENTIONS, UNSCALED, finite
from .latents.folder import find_latents

_POSTERIOR = ("mean", "sample")
_COLUMNS = ("latent", "path")


class LatentsDataset:
    """Latents of a folder, in either form that encode writes.

    All latents of a step have the same shape: draw it with `step_choice` and pass it to `sample`.

    Args:
        folder: the folder that encode wrote.
        posterior: "mean", or "sample" for mean + exp(logvar / 2) * noise, drawn anew each time; where encode kept
            samples, those.
        convention: how samples are scaled: "none" as the encoder gives them, or "mindone" or "diffusers" as a generator
            takes them, by the factors stored with them, however the files are scaled.
        output_columns: what a sample holds: "latent", "path" (the clip's). None gives only "latent".

    Attributes:
        output_columns: list of names, the order of a sample.
        unreadable: list of (path, reason) of the files left out.

    Raises:
        UserError: a keyword out of its range, a folder without latents, latents of several models, or some that cannot
            be scaled so.
    """

    def __init__(
        self, folder: str, posterior: str = "mean", convention: str = UNSCALED, output_columns: list[str] | None = None
    ):
        self.output_columns = ["latent"] if output_columns is None else list(output_columns)
        require_one_of(_POSTERIOR, posterior, "posterior")
        require_one_of((UNSCALED, *CONVENTIONS), convention, "convention")
        for name in self.output_columns:
            require_one_of(_COLUMNS, name, "an entry of output_columns")
        if not self.output_columns:
            raise UserError("output_columns is empty; it needs at least one name: use [latent]")
        if not Path(folder).is_dir():
            raise UserError(
                f"dataset.folder is {folder}; it must be the folder that mindone-tae encode wrote: check the name"
            )
        self._drawn, self._convention = posterior == "sample", convention
        self._latents, self.unreadable = find_latents(Path(folder))
        if not self._latents:
            raise UserError(f"{folder}: none of its {len(self.unreadable)} files is a latent: {self.unreadable[0][1]}")
        self._check(folder)
        self._shape_of = np.unique([latent.shape for latent in self._latents], axis=0, return_inverse=True)[1].reshape(
            -1
        )

    def _check(self, folder):
        models = {latent.facts.get("model", {}).get("sha256"): latent.where for latent in self._latents}
        if len(models) > 1:
            few = " and ".join(list(models.values())[:2])
            raise UserError(
                f"{folder} holds latents of {len(models)} checkpoints, such as {few}; they share no space: "
                "encode all of them again"
            )
        for latent in self._latents:
            facts = latent.facts
            if not self._drawn and facts.get("seed") is not None:
                raise UserError(
                    f"{latent.where} holds a sample and not the mean: "
                    "use posterior 'sample', or encode without --sample"
                )
            if self._convention != UNSCALED and None in (facts.get("scaling_factor"), facts.get("shift_factor")):
                raise UserError(
                    f"{latent.where} has no scaling_factor and shift_factor; convention '{self._convention}' needs "
                    "them: use convention 'none'"
                )

    def __len__(self) -> int:
        return len(self._latents)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        """The sample that belongs to an index, the same every time."""
        index = range(len(self))[index]  # counts negative ones from the end
        return self.sample(index, np.random.default_rng(index))

    def step_choice(self, rng: np.random.Generator) -> int:
        """Draw the shape of one step, each as often as it has latents, for `sample`."""
        return int(self._shape_of[rng.integers(len(self))])

    def sample(self, index: int, rng: np.random.Generator, choice: int | None = None) -> tuple[np.ndarray, ...]:
        """Draw one sample. A latent of another shape than the step's is replaced by one drawn from those that have it.

        Args:
            index: from 0 to len - 1.
            rng: all randomness comes from here.
            choice: from `step_choice`; None takes the latent of the index.

        Returns:
            Arrays in the order of output_columns; "latent" is float32 (zc, lt, lh, lw), "path" a string.

        Raises:
            UserError: its file can no longer be read, or holds numbers that are not finite.
        """
        if choice is not None and self._shape_of[index] != choice:
            index = int(rng.choice(np.flatnonzero(self._shape_of == choice)))
        latent = self._latents[index]
        columns = {"path": np.asarray(latent.name)}
        if "latent" in self.output_columns:
            columns["latent"] = self._numbers(latent, rng)
        return tuple(columns[name] for name in self.output_columns)

    def _numbers(self, latent, rng):
        """One latent as float32, drawn and scaled by the keywords."""
        from mindone_tae.models.latent.scaling import scale_latents, unscale_latents

        clip = latent.read()
        held = clip.sample if clip.sample is not None else clip.mean
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # what is not finite is told by `finite`
            if self._drawn and clip.sample is None:
                held = held + np.exp(0.5 * clip.logvar) * rng.standard_normal(held.shape, dtype=np.float32)
            if clip.scaling_convention != self._convention:
                factors = clip.scaling_factor, clip.shift_factor
                if clip.scaling_convention != UNSCALED:
                    held = unscale_latents(held, clip.scaling_convention, *factors)
                held = held if self._convention == UNSCALED else scale_latents(held, self._convention, *factors)
        return finite(latent.where, held)

    def describe(self, index: int) -> dict:
        """Facts of `self[index]`: path, frames, fps and size (h, w) of the clip, shape of its latent."""
        latent = self._latents[index]
        facts = {name: latent.facts[name] for name in ("frames", "fps", "size")}
        return {"path": latent.name, "relative_path": latent.name, **facts, "shape": latent.shape}
