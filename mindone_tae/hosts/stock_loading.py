"""mindone.diffusers' from_pretrained, with the weights read by our own loader."""

from __future__ import annotations

import os
from pathlib import Path

from mindone_tae.weights.finding import Found
from mindone_tae.weights.loading import load_stored
from mindone_tae.weights.reading import open_found, open_weights, our_names
from mindone_tae.zoo.errors import UserError


class StockLoading:
    """Mixin before ModelMixin, which finds the files, locally or on Hugging Face, and builds the model.

    Stock code knows neither PyTorch's names of our norms nor its layout of our temporal kernels, and it only warns of
    names that are missing or unexpected. Here those are an error, unless ignore_mismatched_sizes is set.
    """

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | os.PathLike, **kwargs):
        """Loads a model from a folder or a repository on Hugging Face; in evaluation mode.

        Args:
            pretrained_model_name_or_path: the folder, or "organisation/name".
            **kwargs: as for any model of mindone.diffusers. mindspore_dtype is the type computed in.
                ignore_mismatched_sizes only warns of names that are missing, unexpected or of another shape, and sets
                the rest.

        Raises:
            UserError: names or shapes that do not match, all of them listed; a damaged file; a pickle.
            OSError: no such folder or repository, or not one of a diffusers model.
        """
        try:
            return super().from_pretrained(pretrained_model_name_or_path, **kwargs)
        except OSError:
            folder = Path(pretrained_model_name_or_path, kwargs.get("subfolder") or "")
            if (folder / "config.json").is_file():
                open_weights(folder)  # raises an error that says what is wrong with a file
            raise

    @classmethod
    def _load_pretrained_model(
        cls,
        model,
        state_dict,
        resolved_model_file,
        pretrained_model_name_or_path,
        loaded_keys,
        ignore_mismatched_sizes=False,
        dduf_entries=None,
        **_,
    ):
        """Stock from_pretrained's last step; reads the files again, as stock code has read them by other names."""
        if dduf_entries:
            raise UserError(
                f"{resolved_model_file[0]}: it lies in a .dduf archive, which is not read: "
                "unpack it and give its folder"
            )
        if state_dict:
            state_dict.clear()
        files = [Path(file) for file in resolved_model_file]
        stored = open_found(Found(Path(pretrained_model_name_or_path), files))
        missing, unexpected, misshapen = load_stored(
            model, stored, our_names(stored), strict=not ignore_mismatched_sizes
        )
        return model, missing, unexpected, misshapen, None, []
