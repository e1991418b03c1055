"""An ONNX graph that grows node by node; `onnx` is imported where a graph is begun."""

from __future__ import annotations

import numpy as np


class Graph:
    """Nodes and numbers of one ONNX graph.

    Args:
        network: the Cell whose parameters the graph carries.
        part: "encoder" or "decoder", with which their names begin, as in a file of weights.
    """

    def __init__(self, network, part: str):
        self.nodes = []
        self.numbers = {}  # name to TensorProto
        self._names = {id(parameter): name for name, parameter in network.parameters_and_names(part)}
        self._counts = {}

    def node(self, kind: str, *inputs: str, **attributes) -> str:
        """Adds a node with one result and gives the result's name."""
        return self.split(kind, 1, *inputs, **attributes)[0]

    def split(self, kind: str, results: int, *inputs: str, **attributes) -> list[str]:
        """Adds a node with several results and gives their names."""
        from onnx import helper

        number = self._counts[kind] = self._counts.get(kind, -1) + 1
        name = f"{kind.lower()}_{number}"
        names = [name] if results == 1 else [f"{name}_{result}" for result in range(results)]
        self.nodes.append(helper.make_node(kind, inputs, names, name=name, **attributes))
        return names

    def name_result(self, result: str, name: str) -> None:
        """Gives a node's result, which no other node takes, the name that the graph's users know it by."""
        for node in self.nodes:
            for place, output in enumerate(node.output):
                if output == result:
                    node.output[place] = name

    def weight(self, parameter, change=lambda array: array) -> str:
        """Adds a parameter's numbers and gives their name.

        Args:
            parameter: of the network.
            change: from the parameter's array to the one that the graph takes.
        """
        return self.array(self._names[id(parameter)], change(parameter.asnumpy()).astype(np.float32))

    def integers(self, *values: int) -> str:
        """Adds a list of int64 and gives its name; equal lists are one."""
        return self.array("integers_" + "_".join(map(str, values)).replace("-", "minus"), np.array(values, np.int64))

    def array(self, name: str, values: np.ndarray) -> str:
        """Adds numbers under a name, unless they are there, and gives the name."""
        from onnx import numpy_helper

        if name not in self.numbers:
            self.numbers[name] = numpy_helper.from_array(np.asarray(values, order="C"), name)
        return name
