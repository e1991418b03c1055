"""Runs a notebook's cells from top to bottom in this process and keeps what they print and show, as Jupyter would.

    python tools/run_notebook.py examples/first_steps.ipynb          # runs it and stores the outputs in it

It needs no Jupyter: cells are plain Python, and what a cell's last expression gives is shown, as a picture if it can
be one.
"""

import argparse
import ast
import base64
import io
import json
import os
import tempfile
from contextlib import contextmanager, redirect_stdout
from pathlib import Path


def run_notebook(notebook):
    """Runs a notebook, changing nothing in it.

    Args:
        notebook: as JSON holds it.

    Returns:
        The same with the outputs of this run.

    Raises:
        Exception: whatever a cell raises.
    """
    namespace, cells, count = {"__name__": "__main__"}, [], 0
    for cell in notebook["cells"]:
        cell = dict(cell)
        if cell["cell_type"] == "code":
            count += 1
            outputs = run_cell("".join(cell["source"]), namespace, f"cell {count}")
            for output in outputs:
                if output["output_type"] == "execute_result":
                    output["execution_count"] = count
            cell.update(outputs=outputs, execution_count=count)
        cells.append(cell)
    return {**notebook, "cells": cells}


def run_cell(source, namespace, name):
    """Runs a cell's text; gives its outputs, a list of what a notebook holds."""
    tree = ast.parse(source, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(tree, name, "exec"), namespace)
        value = None if last is None else eval(compile(ast.Expression(last.value), name, "eval"), namespace)
    outputs = []
    if printed.getvalue():
        outputs.append({"output_type": "stream", "name": "stdout", "text": lines_of(printed.getvalue())})
    if value is not None:
        data = {"text/plain": lines_of(repr(value))}
        if hasattr(value, "_repr_png_"):
            size = "x".join(map(str, value.size))
            data = {"text/plain": [f"<picture of {size} pixels>"], "image/png": encoded(value._repr_png_())}
        outputs.append({"output_type": "execute_result", "data": data, "metadata": {}})
    return outputs


def encoded(png):
    """A PNG's bytes as a notebook holds them."""
    return base64.b64encode(png).decode() + "\n"


def lines_of(text):
    """A text as a notebook holds it: a list of lines, each with its end."""
    return text.splitlines(keepends=True)


@contextmanager
def scratch_folder():
    """A temporary working directory, left again at the end."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield folder
        finally:
            os.chdir(before)


def main():
    """Runs a notebook and stores it with its outputs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("notebook", type=Path)
    path = parser.parse_args().notebook.resolve()
    with scratch_folder():
        notebook = run_notebook(json.loads(path.read_text(encoding="utf-8")))
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
