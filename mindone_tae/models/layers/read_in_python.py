"""Attributes that depend on which cells a block holds at the moment, for both modes."""


class ReadInPython:
    """A property whose function Python runs in graph mode too, whenever a graph is compiled.

    MindSpore would compile the function of a `property`, and cannot ask in a graph of which class a cell is.

    Args:
        function: of the cell.
    """

    def __init__(self, function):
        self.function = function
        self.__doc__ = function.__doc__

    def __get__(self, cell, owner=None):
        return self if cell is None else self.function(cell)
