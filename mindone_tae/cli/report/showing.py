"""Adds a report to a command: records its clips, and writes the page at the end."""

from pathlib import Path

from mindone_tae.zoo import build
from mindone_tae.zoo.training.evaluator import baseline_specs

from .recording import Recorder

PAGE = "report.html"


class Showing:
    """The report of one command; clips beyond a page's maximum are ignored.

    Args:
        folder: the command's --output_path; gets report/ and report.html.
        command: its name.
        recipe: the Recipe, whose eval section has the baselines to compare with.
        model: built.
    """

    def __init__(self, folder, command, recipe, model):
        baselines = [(spec["name"], build("mindone.models", spec)) for spec in baseline_specs(recipe.eval.baseline)]
        self._folder, self._model, self._run = Path(folder), model, run_of(recipe.model.get("pretrained"))
        self._recorder = Recorder(folder, command, recipe, model, baselines)

    def clip(self, clip):
        """A ClipRecorder of a `clips.Clip`, None where the page is full."""
        if self._recorder.is_full:
            return None
        return self._recorder.clip(clip.name, clip.fps, _source_facts(clip))

    def show(self, clip, x, recon):
        """Records a whole `clips.Clip`, and the latent that the model encodes of it.

        Args:
            clip: a `clips.Clip`.
            x: source (c, t, h, w) in [-1, 1].
            recon: the model's, of the same shape.
        """
        from mindone_tae.zoo.protocols import posterior

        page = self.clip(clip)
        if page is None:
            return
        page.add(x, {"model": recon})
        moments = posterior(self._model, x[None])
        if moments is not None:
            page.add_latent(moments[0][0])
        page.finish()

    def write(self, rows=()):
        """Writes the page.

        Args:
            rows: see `Recorder.finish`.

        Returns:
            Its path; None where no clip was shown.
        """
        from .page import write_page

        if self._recorder.finish(rows) is None:
            return None
        return write_page(self._folder / PAGE, [self._folder], [self._run])


def run_of(weights):
    """The folder of the training run that weights come from, or None.

    Args:
        weights: what --ckpt_path takes.
    """
    path = Path(str(weights))
    places = (path, *path.parents[:3]) if path.exists() else ()
    return next((place for place in places if (place / "metrics.jsonl").is_file()), None)


def _source_facts(clip):
    """A clip's facts for the page: size (h, w) and bytes of its file, where known."""
    from mindone_tae.data.files.manifest import file_state

    facts = {"size": list(clip.size)} if clip.size else {}
    return {**facts, "bytes": file_state(clip.path)[0]} if clip.path else facts
