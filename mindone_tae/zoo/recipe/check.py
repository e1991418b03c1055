"""Checking a parsed recipe against the sections' schemas and the components' signatures, collecting every mistake."""

from .. import registry
from ..errors import UserError, did_you_mean, listed
from ..printable import printable, shown
from ..registry import names, noun_of
from ..signatures.signature import Keyword, check_keywords, read_signature, signature_of
from ..signatures.values import plain
from .renamed import without_left_over
from .schema import OPTIMIZERS, SCHEDULERS, SECTIONS, out_of_bounds, wrong_optimizer, wrong_scheduler
from .yaml_marks import Mark, MarkedDict, Problem

# Section: group of its component.
COMPONENTS = {
    "model": "mindone.models",
    "dataset": "mindone.datasets",
    "loss": "mindone.losses",
    "discriminator": "mindone.blocks",
}
SECTION_NAMES = (
    "env",
    "model",
    "dataset",
    "loader",
    "loss",
    "discriminator",
    "adversarial",
    "optimizer",
    "scheduler",
    "train",
    "eval",
)
# Every model section may have it; the host loads the weights of a model whose constructor does not take it.
PRETRAINED = Keyword("pretrained", False, "str | None")
REQUIRED = ("model", "dataset", "train")

# Sections that are a function's keywords: function, default name, known names, remedies for keywords that the host
# gives itself, and the check of numbers.
_FUNCTIONS = {
    "optimizer": (
        "mindone.trainers.optim:create_optimizer",
        "adamw_re",
        OPTIMIZERS,
        {
            "params": "the trainer gives the model's parameters: remove it",
            "lr": "the learning rate stands in scheduler.lr: move it there",
        },
        wrong_optimizer,
    ),
    "scheduler": (
        "mindone.trainers.lr_schedule:create_scheduler",
        "constant",
        SCHEDULERS,
        dict.fromkeys(
            ("steps_per_epoch", "num_epochs", "total_steps"), "follows from train.steps or train.epochs: remove it"
        ),
        wrong_scheduler,
    ),
}


class RecipeCheck:
    """One pass over a parsed recipe.

    Args:
        tree: MarkedDict of the whole file, overrides applied.
        mark: Mark of the file, for what is missing from it.

    Attributes:
        sections: section to its checked values; meaningful where there are no problems.
        problems: list of Problem.
    """

    def __init__(self, tree: MarkedDict, mark: Mark):
        self.problems = []
        self._tree, self._mark = tree, mark
        for key in tree:
            if key not in SECTION_NAMES:
                near = did_you_mean(key, SECTION_NAMES)
                self._report(tree.marks[key], key, f"no such section{near} (sections: {listed(SECTION_NAMES)})")
        for key in REQUIRED:
            if tree.get(key) is None:
                self._report(tree.marks.get(key, mark), key, f"the section is missing: add it{self._example(key)}")
        self.sections = {}
        for key in SECTION_NAMES:  # dataset comes before eval, which inherits from it
            self.sections[key] = self._section(key)

    def _report(self, mark, path, text):
        self.problems.append(Problem(mark or self._mark, str(path), text))

    def _example(self, section):
        group = COMPONENTS.get(section)
        return f", such as {section}: {{name: ...}} (known: {listed(names(group))})" if group else ""

    def _section(self, section):
        if section in _FUNCTIONS:
            return self._function(section, self._mapping(section), section)
        if section in SECTIONS:
            return self._schema(section)
        given = self._tree.get(section)
        if given is None:
            return None
        return self._component(given, self._tree.marks[section], section, COMPONENTS[section])

    def _mapping(self, section):
        """A section's mapping, empty where the file has none."""
        given = self._tree.get(section)
        if given is not None and not isinstance(given, MarkedDict):
            self._report(self._tree.marks[section], section, f"must be keys and values, not {shown(given)}")
        return given if isinstance(given, MarkedDict) else MarkedDict(mark=self._tree.marks.get(section))

    def _component(self, given, mark, path, group, whole=True):
        """A component's checked mapping; whole: its required keywords must be there."""
        noun = noun_of(group)
        if not isinstance(given, MarkedDict):
            self._report(
                mark,
                path,
                f"must be a {noun}'s name and keywords, not {shown(given)}: write {{name: {printable(given, 80)}}}",
            )
            return None
        if "name" not in given:
            misspelt = [key for key in given if did_you_mean(key, ["name"])]
            for key in misspelt:
                self._report(given.marks[key], f"{path}.{key}", f"no such keyword{did_you_mean(key, ['name'])}")
            if not misspelt:
                self._report(mark, path, f"has no name: add name, one of {listed(names(group))}")
            return None
        try:
            name = registry.entry_point(group, str(given["name"])).name
        except UserError as error:
            self._report(given.marks["name"], f"{path}.name", str(error))
            return None
        keywords = {key: value for key, value in given.items() if key != "name"}
        signature = registry.signature(group, name)
        if group == "mindone.models" and signature is not None:
            signature = signature.and_also(PRETRAINED)
        values, mistakes = check_keywords(signature, keywords, whole)
        what, named_at = f"{noun} '{name}'", given.marks.get("name")
        mistakes, cure = without_left_over(mistakes, given, named_at, path, what, signature)
        if cure:
            self._report(named_at, path, cure)
        for key, text in mistakes:
            self._report(given.marks.get(key, mark), f"{path}.{key}", f"{what}: {text}")
        return MarkedDict({"name": name, **plain(values)}, given.mark, given.marks)

    def _function(self, kind, given, path):
        """The checked keywords of a function; kind: its entry in _FUNCTIONS."""
        function, default, known, hosts_own, wrong_numbers = _FUNCTIONS[kind]
        signature = read_signature(function)  # None where mindone is not installed: then anything passes
        own = {key: value for key, value in given.items() if key not in hosts_own}
        values, mistakes = check_keywords(signature and signature.without(hosts_own), own)
        mistakes += [(key, text) for key, text in hosts_own.items() if key in given]
        name = given.get("name", default)
        if name not in known:
            mistakes = [(key, text) for key, text in mistakes if key != "name"]
            mistakes.append(("name", f"unknown {kind} '{name}'{did_you_mean(name, known)} (known: {listed(known)})"))
        else:
            mistakes += wrong_numbers({**plain(values), "name": name})
        for key, text in mistakes:
            self._report(given.marks.get(key), f"{path}.{key}", text)
        return {"name": name, **{key: value for key, value in plain(values).items() if key != "name"}}

    def _schema(self, section):
        given = self._mapping(section)
        values, mistakes = check_keywords(signature_of(SECTIONS[section]), given)
        mistakes += out_of_bounds(section, values)
        for key, text in mistakes:
            self._report(given.marks.get(key), f"{section}.{key}", text)
        if (
            section == "train"
            and isinstance(self._tree.get("train"), MarkedDict)
            and not {"steps", "epochs"} & {key for key, _ in mistakes}
        ):
            self._steps_or_epochs(given, values)
        if section == "eval":
            self._eval_components(given, values)
        if section == "adversarial":
            self._adversarial(given, values)
        return values

    def _steps_or_epochs(self, given, values):
        if values.get("steps") is not None and values.get("epochs") is not None:
            both = f"steps ({values['steps']}) and epochs ({values['epochs']}) are both set"
            self._report(given.marks["epochs"], "train.epochs", f"{both}: keep one, set the other to null")
        elif values.get("steps") is None and values.get("epochs") is None:
            self._report(self._tree.marks["train"], "train", "neither steps nor epochs is set: add one")

    def _adversarial(self, given, values):
        if isinstance(values.get("optimizer"), dict):
            values["optimizer"] = self._function("optimizer", given["optimizer"], "adversarial.optimizer")
        if self._tree.get("discriminator") is not None:
            return
        # A resolved recipe always has the section: only values that differ from the defaults need a discriminator.
        defaults = SECTIONS["adversarial"]()
        for key in [key for key, value in values.items() if value != getattr(defaults, key)]:
            text = f"has no effect without a discriminator: add a section discriminator{self._example('discriminator')}"
            self._report(given.marks.get(key), f"adversarial.{key}", text)

    def _eval_components(self, given, values):
        marks = given.marks
        values["dataset"] = self._eval_dataset(values.get("dataset"), marks.get("dataset"))
        if values.get("baseline") is not None:
            check = self._items if isinstance(given["baseline"], list) else self._component
            values["baseline"] = check(given["baseline"], marks["baseline"], "eval.baseline", "mindone.models")
        metrics = values.get("metrics", [])
        checked = self._items(metrics, marks.get("metrics"), "eval.metrics", "mindone.metrics")
        metrics[:] = [item if isinstance(item, str) else component for item, component in zip(metrics, checked)]

    def _item(self, item, mark, path, group):
        """A list's item, checked: a component, or its name alone; mark: of the list."""
        mark = getattr(item, "mark", None) or mark
        component = MarkedDict({"name": item}, mark, {"name": mark}) if isinstance(item, str) else item
        return self._component(component, mark, path, group)

    def _items(self, items, mark, list_path, group):
        """A list's items, each checked as by `_item`; no name may be there twice."""
        paths = [f"{list_path}[{position}]" for position in range(len(items))]
        checked = [self._item(item, mark, path, group) for path, item in zip(paths, items)]
        measured = set()
        for path, component in zip(paths, checked):
            if component is None:
                continue  # reported already
            name = component["name"]
            if name in measured:
                self._report(
                    component.mark, path, f"'{name}' is there already: figures go by name, so measure one of each"
                )
            measured.add(name)
        return checked

    def _eval_dataset(self, given, mark):
        """The dataset section updated with what eval.dataset gives; another name inherits nothing."""
        training = self.sections["dataset"]
        if training is None:
            return None  # reported already
        if given is None:
            return training
        if given.get("name", training["name"]) != training["name"]:
            return self._component(given, mark, "eval.dataset", COMPONENTS["dataset"])
        inherited = {"name": training.marks["name"]} if "name" in training.marks else {}
        own = MarkedDict({"name": training["name"], **given}, given.mark, {**inherited, **given.marks})
        checked = self._component(own, mark, "eval.dataset", COMPONENTS["dataset"], whole=False)
        return MarkedDict({**training, **checked}, given.mark, {**training.marks, **given.marks})
