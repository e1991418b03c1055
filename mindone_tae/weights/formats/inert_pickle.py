"""Pickles of tensors taken apart without being run.

A pickle is a program for a small stack machine, and one of its instructions calls any function of any module. Here the
instructions are only read (`pickletools.genops`) and followed by a machine of our own, which imports nothing and calls
nothing: it knows the handful of names that a file of tensors is made of (a `Vocabulary`), as plain records, and refuses
every other name.
"""

from __future__ import annotations

import pickletools
from typing import Callable, NamedTuple

_MARK = object()


class StorageRef(NamedTuple):
    """Where a tensor's numbers lie.

    Attributes:
        type_name: "FloatStorage", ...
        key: the storage's name in the file.
        count: its numbers.
    """

    type_name: str
    key: str
    count: int


class TensorRef(NamedTuple):
    """A tensor: a view of a storage, offset and strides counted in numbers."""

    storage: StorageRef
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class ForbiddenName(ValueError):
    """The pickle names something that no file of tensors needs."""


class Name(NamedTuple):
    """A module's attribute, never imported."""

    module: str
    attribute: str


class Vocabulary(NamedTuple):
    """The names that a pickle may mention.

    Attributes:
        calls: name to what is done where the pickle calls it. What it returns may have a method `build`, which is given
            the state that the pickle sets on it; without one the state is dropped.
        values: names that may only be mentioned, as an argument.
    """

    calls: dict[Name, Callable]
    values: frozenset[Name]


def _tensor(storage, offset, shape, strides, *_):
    if not isinstance(storage, StorageRef):
        raise TypeError(f"a tensor without a storage: {storage!r}")
    return TensorRef(storage, offset, tuple(shape), tuple(strides))


def _parameter(data, *_):
    return data


def _ordered_dict(pairs=()):
    return dict(pairs)


STORAGE_TYPES = tuple(f"{kind}Storage" for kind in "Float Half BFloat16 Double Long Int Short Char Byte Bool".split())
_STORAGE_NAMES = frozenset(Name("torch", name) for name in STORAGE_TYPES)
TORCH = Vocabulary(
    {
        Name("torch._utils", "_rebuild_tensor"): _tensor,
        Name("torch._utils", "_rebuild_tensor_v2"): _tensor,
        Name("torch._utils", "_rebuild_parameter"): _parameter,
        Name("collections", "OrderedDict"): _ordered_dict,
    },
    _STORAGE_NAMES,
)


def read_pickle(file, storages=None, vocabulary=TORCH):
    """Follows one pickle to its end, where the file is left.

    Args:
        file: open for reading, at the pickle's first byte.
        storages: a dict, filled with the StorageRef of every storage the pickle mentions, by key; None: not wanted.
        vocabulary: the names it may mention.

    Returns:
        What the pickle describes, of dict, list, tuple, str, bytes, int, float, bool, None, StorageRef and what the
        vocabulary makes.

    Raises:
        ForbiddenName: the pickle asks for a class or function beyond those of a file of tensors, or for an instruction
            they do not need.
        ValueError: it is not a whole pickle.
    """
    machine = _Machine({} if storages is None else storages, vocabulary)
    try:
        for opcode, argument, _ in pickletools.genops(file):
            if opcode.name == "STOP":
                return machine.stack.pop()
            machine.follow(opcode.name, argument)
    except ForbiddenName:
        raise
    # A damaged program meets an empty stack, a missing memo or a value of another type than the instruction needs.
    except (
        ValueError,
        TypeError,
        IndexError,
        KeyError,
        AttributeError,
        OverflowError,
        RecursionError,
        MemoryError,
    ) as error:
        raise ValueError(f"its pickle is damaged ({type(error).__name__}: {error})") from None
    raise ValueError("its pickle has no end")


class _Machine:
    def __init__(self, storages, vocabulary):
        self.stack, self.memo, self.storages, self.vocabulary = [], {}, storages, vocabulary

    def follow(self, name, argument):
        """One instruction."""
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _LITERALS:
            self.stack.append(argument)
        elif name in ("BINPUT", "LONG_BINPUT", "PUT", "MEMOIZE"):
            self.memo[len(self.memo) if name == "MEMOIZE" else argument] = self.stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            self.stack.append(self.memo[argument])
        elif name not in ("PROTO", "FRAME"):
            handler = getattr(self, f"_{name.lower()}", None)
            if handler is None:
                raise ForbiddenName(f"the pickle instruction {name}")
            handler(argument)

    def _since_mark(self):
        """Takes what was pushed since the last mark."""
        at = len(self.stack) - 1
        while self.stack[at] is not _MARK:
            at -= 1
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return items

    def _take(self, count):
        if len(self.stack) < count:
            raise ValueError("the stack is empty")
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def _mark(self, _):
        self.stack.append(_MARK)

    def _empty_dict(self, _):
        self.stack.append({})

    def _empty_list(self, _):
        self.stack.append([])

    def _tuple(self, _):
        self.stack.append(tuple(self._since_mark()))

    def _tuple1(self, _):
        self.stack.append(tuple(self._take(1)))

    def _tuple2(self, _):
        self.stack.append(tuple(self._take(2)))

    def _tuple3(self, _):
        self.stack.append(tuple(self._take(3)))

    def _append(self, _):
        (value,) = self._take(1)
        self._target(list).append(value)

    def _appends(self, _):
        values = self._since_mark()
        self._target(list).extend(values)

    def _setitem(self, _):
        key, value = self._take(2)
        self._target(dict)[key] = value

    def _setitems(self, _):
        items = self._since_mark()
        self._target(dict).update(zip(items[::2], items[1::2]))

    def _target(self, kind):
        if type(self.stack[-1]) is not kind:
            raise TypeError(f"an instruction for a {kind.__name__} meets a {type(self.stack[-1]).__name__}")
        return self.stack[-1]

    def _global(self, argument):
        module, _, attribute = argument.partition(" ")
        self._name(module, attribute)

    def _stack_global(self, _):
        self._name(*self._take(2))

    def _name(self, module, attribute):
        name = Name(module, attribute)
        if name not in self.vocabulary.calls and name not in self.vocabulary.values:
            raise ForbiddenName(f"{module}.{attribute}")
        self.stack.append(name)

    def _reduce(self, _):
        function, arguments = self._take(2)
        call = self.vocabulary.calls.get(function) if isinstance(function, Name) else None
        if call is None:
            raise ForbiddenName(f"a call of {function}")
        self.stack.append(call(*arguments))

    def _build(self, _):
        (state,) = self._take(1)
        build = getattr(self.stack[-1], "build", None)  # a state_dict's _metadata is dropped: a plain dict has none
        if build:
            build(state)

    def _binpersid(self, _):
        ((kind, type_name, key, _, count, *view),) = self._take(1)
        if kind != "storage" or type_name not in _STORAGE_NAMES:
            raise ForbiddenName(f"a reference to a {kind!r} of {type_name}")
        if any(part is not None for part in view):
            raise ForbiddenName("a view of another storage")
        self.storages[str(key)] = StorageRef(type_name.attribute, str(key), count)
        self.stack.append(self.storages[str(key)])


_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINSTRING", "SHORT_BINSTRING"),  # Python 2 wrote older files
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
