"""Builds an ONNX graph node by node; `onnx` is imported on use."""

from __future__ import annotations

import numpy as np


class Graph:
    """Nodes and initializers of one ONNX graph.

    Args:
        network: the Cell whose parameters become initializers.
        part: "encoder" or "decoder", the prefix of their names, as in a weights file.
    """

    def __init__(self, network, part: str):
        self.nodes = []
        self.numbers = {}  # name to TensorProto
        self._names = {id(parameter): name for name, parameter in network.parameters_and_names(part)}
        self._counts = {}

    def node(self, kind: str, *inputs: str, **attributes) -> str:
        """Adds a node with one output and returns the output's name."""
        return self.split(kind, 1, *inputs, **attributes)[0]

    def split(self, kind: str, results: int, *inputs: str, **attributes) -> list[str]:
        """Adds a node with several outputs and returns their names."""
        from onnx import helper

        number = self._counts[kind] = self._counts.get(kind, -1) + 1
        name = f"{kind.lower()}_{number}"
        names = [name] if results == 1 else [f"{name}_{result}" for result in range(results)]
        self.nodes.append(helper.make_node(kind, inputs, names, name=name, **attributes))
        return names

    def name_result(self, result: str, name: str) -> None:
        """Renames a node's output that no other node takes to the name of a graph output."""
        for node in self.nodes:
            for place, output in enumerate(node.output):
                if output == result:
                    node.output[place] = name

    def weight(self, parameter, change=lambda array: array) -> str:
        """Adds a parameter as an initializer and returns its name.

        Args:
            parameter: a parameter of the network.
            change: converts the parameter's array to the layout of the ONNX operator.
        """
        return self.array(self._names[id(parameter)], change(parameter.asnumpy()).astype(np.float32))

    def integers(self, *values: int) -> str:
        """Adds int64 values as an initializer and returns its name; equal lists share one."""
        return self.array("integers_" + "_".join(map(str, values)).replace("-", "minus"), np.array(values, np.int64))

    def array(self, name: str, values: np.ndarray) -> str:
        """Adds an initializer unless one of this name exists, and returns the name."""
        from onnx import numpy_helper

        if name not in self.numbers:
            self.numbers[name] = numpy_helper.from_array(np.asarray(values, order="C"), name)
        return name
