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
        self._folder, self.model = Path(folder), model
        self._recorder = Recorder(folder, command, recipe, model, baselines)

    def clip(self, clip):
        """A ClipRecorder of a `clips.Clip`, None where the page is full."""
        if self._recorder.is_full:
            return None
        return self._recorder.clip(clip.name, clip.fps, source_facts(clip.size, clip.path), clip.frames or None)

    def show(self, name, fps, source, x, recon):
        """Records a whole clip, (c, t, h, w) each, and the latent that the model encodes of it.

        Args:
            name, fps, source: see `Recorder.clip`.
            x: source in [-1, 1].
            recon: the model's.
        """
        if self._recorder.is_full:
            return
        clip = self._recorder.clip(name, fps, source)
        clip.add(x, {"model": recon})
        clip.add_latent(latent_of(self.model, x))
        clip.finish()

    def write(self, rows=(), runs=None):
        """Writes the page.

        Args:
            rows: see `Recorder.add_rows`.
            runs: see `write_page`.

        Returns:
            Its path; None where no clip was shown.
        """
        from .page import write_page

        self._recorder.add_rows(rows)
        if self._recorder.finish() is None:
            return None
        return write_page(self._folder / PAGE, [self._folder], runs)


def run_of(weights):
    """The folder of the training run that weights come from, or None.

    Args:
        weights: what --ckpt_path takes.
    """
    path = Path(str(weights))
    places = (path, *path.parents[:3]) if path.exists() else ()
    return next((place for place in places if (place / "metrics.jsonl").is_file()), None)


def source_facts(size, path):
    """A clip's facts for the page: size (h, w) and bytes of its file, where known."""
    from mindone_tae.data.files.manifest import file_state

    facts = {"size": list(size)} if size else {}
    return {**facts, "bytes": file_state(path)[0]} if path else facts


def latent_of(model, x):
    """The posterior's mean (zc, lt, lh, lw) of a clip (c, t, h, w); None for a model that does not encode."""
    import mindspore as ms

    if not hasattr(model, "encode"):
        return None
    return model.encode(ms.Tensor(x[None]))[1].asnumpy()[0]
