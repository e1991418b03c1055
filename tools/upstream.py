"""Writes what a maintainer of MindONE would take into mindone.diffusers: the TAE as one file of its own, its tests,
its page.

    python tools/upstream.py outputs/upstream

The layers are those of `mindone_tae.models`, taken definition by definition and in their portable form, which every
device has operators
for: what asks for a CPU is resolved here, and what only a CPU's form needs is left out. The class around them, the
test and the page are in tools/upstream_parts. docs/upstream.md says what their checklist asks for, and what of it is
not there.
"""

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

CHECKOUT = Path(__file__).resolve().parents[1]
PARTS = Path(__file__).with_name("upstream_parts")
MODEL = "mindone/diffusers/models/autoencoders/autoencoder_kl_tae.py"
TEST = "tests/diffusers_tests/models/autoencoders/test_models_autoencoder_kl_tae.py"
GOLDEN = "tests/diffusers_tests/models/autoencoders/tae_golden.npz"
PAGE = "docs/diffusers/api/models/autoencoderkl_tae.md"
GOLDEN_CASE = "1x3x13x40x32"

# In the order in which they are read; a definition may use those before and after it.
MODULES = (
    *(
        "kernels.operands",
        "kernels.axis_swap",
        "kernels.spatial",
        "kernels.frame_taps",
        "kernels.conv2_5d",
        "kernels.upsample",
    ),
    *(
        "kernels.norm",
        "kernels.attention",
        "layers.dtypes",
        "layers.frames",
        "layers.normalization",
        "layers.convolution",
    ),
    *("layers.attention", "layers.residual", "layers.middle", "layers.resampling", "encoder", "decoder"),
)
ROOTS = ("Encoder", "Decoder")
# Of the same name as a layer, which calls them.
RENAMED = {
    "kernels.conv2_5d": {"TemporalConv": "TemporalConvOp", "Conv2_5d": "Conv2_5dOp"},
    "kernels.norm": {"GroupNorm": "GroupNormOp"},
}
# Methods that ModelMixin has in another way, or that only our own host asks for.
LEFT_OUT = ("recompute", "recompute_blocks", "recomputed_parameters", "has_own_layers")
# In mindone.diffusers pipelines bring what they give a model to its dtype: layers follow their input.
REPLACED = (
    ("network_input(x, self.dtype)", "network_input(x, x.dtype)"),
    ("network_input(z, self.dtype)", "network_input(z, z.dtype)"),
    ("(OwnPrecision)", "(nn.Cell)"),
)
# Statements that judge numbers of somebody else's recipe before a network is allocated, or whose layers are replaced.
CHECKS = ("check_network(", "ends = ", "if not self.has_own_layers")


@dataclass
class Definition:
    """A function, class or assignment at a module's top.

    Attributes:
        names: that it defines.
        text: its source, comments before it included.
        uses: names that it uses.
    """

    names: list
    text: str
    uses: set = field(default_factory=set)


def folded(test):
    """Whether a condition holds in the portable form; None where that is not known before it runs."""
    if isinstance(test, ast.Call) and getattr(test.func, "id", "") in ("on_cpu", "as_products"):
        return False
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = folded(test.operand)
        return None if inner is None else not inner
    if isinstance(test, ast.BoolOp):
        values = [folded(value) for value in test.values]
        decisive = isinstance(test.op, ast.Or)
        if decisive in values:
            return decisive
        return None if None in values else not decisive
    return None


def without_cpu_form(source):
    """Source text in which every `if` that on_cpu() or as_products() decides is the branch taken, comments kept."""
    lines = source.splitlines()
    remove, dedent = set(), {}

    def visit(body):
        ended = False
        for node in body:
            span = range(node.lineno - 1, node.end_lineno)
            if ended:  # after a return that is always reached
                remove.update(span)
                continue
            value = folded(node.test) if isinstance(node, ast.If) else None
            if value is not None:
                taken = node.body if value else node.orelse
                kept = {line for child in taken for line in range(child.lineno - 1, child.end_lineno)}
                remove.update(set(span) - kept)
                for line in kept:
                    dedent[line] = taken[0].col_offset - node.col_offset
                visit(taken)
                ended = bool(taken) and isinstance(taken[-1], ast.Return)
                continue
            for name in ("body", "orelse"):
                if isinstance(getattr(node, name, None), list):
                    visit(getattr(node, name))

    visit(ast.parse(source).body)
    kept = "\n".join(line[dedent.get(i, 0) :] for i, line in enumerate(lines) if i not in remove) + "\n"
    return re.sub(r"\bnot on_cpu\(\) and |(?<!not )\bon_cpu\(\) or ", "", kept)  # what is left of a condition


def without_unused_operators(source):
    """Source text of a class without the attributes set in its constructor that nothing in it reads."""
    tree = ast.parse(source)
    lines, remove = source.splitlines(), set()
    for owner in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        methods = [node for node in owner.body if isinstance(node, ast.FunctionDef)]
        read = {n.attr for n in ast.walk(owner) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Load)}
        for method in methods:
            if method.name in LEFT_OUT:
                first = min([method.lineno, *(decorator.lineno for decorator in method.decorator_list)])
                remove.update(range(first - 1, method.end_lineno))
            for node in method.body:
                text = ast.get_source_segment(source, node)
                target = node.targets[0] if isinstance(node, ast.Assign) else None
                called = node.value.func if target is not None and isinstance(node.value, ast.Call) else None
                operator = (
                    isinstance(target, ast.Attribute) and called is not None and ast.unparse(called) != "Parameter"
                )
                if text.startswith(CHECKS) or (operator and method.name == "__init__" and target.attr not in read):
                    remove.update(range(node.lineno - 1, node.end_lineno))
    return "\n".join(line for i, line in enumerate(lines) if i not in remove) + "\n"


def definitions(module):
    """The Definitions of a module of mindone_tae.models, in the portable form."""
    path = CHECKOUT / "mindone_tae/models" / f"{module.replace('.', '/')}.py"
    source = without_unused_operators(without_cpu_form(path.read_text(encoding="utf-8")))
    for old, new in RENAMED.get(module, {}).items():
        source = re.sub(rf"(?<![\w.]){old}\b", new, source)
    for old, new in REPLACED:
        source = source.replace(old, new)
    lines, found = source.splitlines(), []
    for node in ast.parse(source).body:
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Assign)):
            continue
        first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))]) - 1
        while first and lines[first - 1].startswith("#"):
            first -= 1
        names = (
            [name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)]
            if isinstance(node, ast.Assign)
            else [node.name]
        )
        uses = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)} - set(names)
        found.append(Definition(names, "\n".join(lines[first : node.end_lineno]), uses))
    return found


def needed(found, roots):
    """The Definitions that the roots need, themselves included, in the order found."""
    by_name = {name: definition for definition in found for name in definition.names}
    waiting, kept = list(roots), []
    while waiting:
        definition = by_name.get(waiting.pop())
        if definition is not None and definition not in kept:
            kept.append(definition)
            waiting += sorted(definition.uses)
    return [definition for definition in found if definition in kept]


def model_file():
    """The text of autoencoder_kl_tae.py, not yet formatted."""
    found = needed([definition for module in MODULES for definition in definitions(module)], ROOTS)
    classes = [
        name for definition in found if definition.text.lstrip("#").find("class ") >= 0 for name in definition.names
    ]
    names = {name: f"TAE{name.lstrip('_')}" for name in classes if not name.startswith("TAE")}
    body = "\n\n\n".join(definition.text for definition in found)
    pattern = re.compile(rf"(?<![\w.])({'|'.join(map(re.escape, names))})\b(?!\s*=[^=])")
    body = pattern.sub(lambda match: names[match[1]], body)
    template = (PARTS / "autoencoder_kl_tae.py.txt").read_text(encoding="utf-8")
    return template.replace("# LAYERS\n", body + "\n")


def formatted(text):
    """Python as black with lines of 120 writes it, by ruff.

    Raises:
        SystemExit: ruff is not installed.
    """
    ruff = shutil.which("ruff", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if ruff is None:
        raise SystemExit("ruff is not installed; the files are formatted by it: pip install ruff")
    words = [ruff, "format", "--isolated", "--line-length", "120", "--stdin-filename", "a.py", "-"]
    return subprocess.run(words, input=text, capture_output=True, text=True, check=True).stdout


def write(folder):
    """Writes the files below a folder; gives their paths, relative to it."""
    golden = np.load(CHECKOUT / "tests/models/golden/golden_ch32.npz")
    texts = {
        MODEL: formatted(model_file()),
        TEST: formatted((PARTS / "test_models_autoencoder_kl_tae.py.txt").read_text(encoding="utf-8")),
        PAGE: (PARTS / "autoencoderkl_tae.md").read_text(encoding="utf-8"),
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    case = {name.partition("/")[2]: golden[name] for name in golden if name.startswith(f"{GOLDEN_CASE}/")}
    np.savez_compressed(folder / GOLDEN, shape=np.array(list(map(int, GOLDEN_CASE.split("x")))), **case)
    return [*texts, GOLDEN]


def main():
    """Writes the files and names them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for name in write(folder):
        print(folder / name)


if __name__ == "__main__":
    main()
