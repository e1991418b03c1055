"""Reads pickles of tensors without running them.

A pickle is a program for a small stack machine, and one of its instructions calls any function of any module. Here the
instructions are only parsed (`pickletools.genops`) and interpreted by a machine of our own, which imports and calls
nothing: it represents the few names that a file of tensors needs (a `Vocabulary`) by plain records, and refuses every
other name.

A few hundred bytes can describe a structure that takes exponential time to traverse, since its parts may be shared. So
nothing that a pickle built is ever hashed, compared or printed: keys are str or int, errors name types only, and the
instructions are counted.
"""

from __future__ import annotations

import pickletools
from typing import Any, BinaryIO, Callable, NamedTuple

from .stored import MOST_AXES

_MARK = object()
# More than any checkpoint that holds a VAE needs.
_MOST_INSTRUCTIONS = 1_000_000
_MOST_BYTES = 2**26
_LARGEST_NUMBER = 2**63


class StorageRef(NamedTuple):
    """A storage: where a tensor's numbers are in the file.

    Attributes:
        type_name: "FloatStorage", ...
        key: the storage's name in the file.
        count: how many numbers it holds.
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
        calls: name to the function run where the pickle calls it; its arguments may be anything, so it must not hash,
            compare or print them before it has checked their types. If its result has a method `build`, that is given
            the state that the pickle sets on the object; otherwise the state is dropped.
        values: names that may only be mentioned, as an argument.
    """

    calls: dict[Name, Callable]
    values: frozenset[Name]


def _tensor(storage, offset, shape, strides, *_):
    if not isinstance(storage, StorageRef):
        raise ValueError(f"a tensor's storage is a {type(storage).__name__}")
    if not all(type(sides) in (tuple, list) and len(sides) <= MOST_AXES for sides in (shape, strides)):
        raise ValueError(f"a tensor's shape and strides must be tuples of at most {MOST_AXES} numbers")
    if len(shape) != len(strides) or not all(map(_is_count, (offset, *shape, *strides))):
        raise ValueError("a tensor's shape, strides and offset must be whole numbers, as many of one as of the other")
    return TensorRef(storage, offset, tuple(shape), tuple(strides))


def _parameter(data, *_):
    return data


def _is_count(value):
    return type(value) is int and 0 <= value < _LARGEST_NUMBER


def _ordered_dict(pairs=()):
    """Python 2 wrote a list of pairs."""
    if type(pairs) not in (list, tuple):
        raise ValueError(f"a dictionary is made of a {type(pairs).__name__}")
    if not all(type(pair) in (list, tuple) and len(pair) == 2 for pair in pairs):
        raise ValueError("a dictionary's items are not pairs")
    return {_key(key): value for key, value in pairs}


def _key(value):
    """A dictionary's key: hashing anything else could take for ever."""
    if type(value) is not str and not (type(value) is int and abs(value) < _LARGEST_NUMBER):
        raise ValueError(f"a dictionary's key is a {type(value).__name__}; it must be a text or a number")
    return value


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


def read_pickle(
    file: BinaryIO,
    storages: dict[str, StorageRef] | None = None,
    vocabulary: Vocabulary = TORCH,
    most_bytes: int = _MOST_BYTES,
) -> Any:
    """Interprets one pickle up to its end, where the file's position is left.

    Args:
        file: open for reading, at the pickle's first byte.
        storages: a dict to fill with the StorageRef of every storage in the pickle, by key; None if not needed.
        vocabulary: the names it may mention.
        most_bytes: most bytes read from the file.

    Returns:
        The object the pickle describes, made of dict, list, tuple, str, bytes, int, float, bool, None, StorageRef and
        results of the vocabulary's functions. Its parts may be shared, so look at its top level only.

    Raises:
        ForbiddenName: the pickle uses a class, function or instruction that a file of tensors does not need.
        ValueError: it is damaged, or has more instructions or bytes than a file of tensors does.
    """
    machine = _Machine({} if storages is None else storages, vocabulary)
    try:
        for opcode, argument, _ in pickletools.genops(_Limited(file, most_bytes)):
            if opcode.name == "STOP":
                return machine.stack.pop()
            machine.spend(1)
            machine.follow(opcode.name, argument)
    except ForbiddenName:
        raise
    # Causes in a damaged program: an empty stack, a missing memo entry, or a value of the wrong type.
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError, MemoryError) as error:
        raise ValueError(f"its pickle is damaged ({type(error).__name__}: {str(error)[:200]})") from None
    raise ValueError("its pickle has no end")


class _Limited:
    """A file of which a limited number of bytes is read: a length in it may claim any size."""

    def __init__(self, file, most_bytes):
        self._file, self._left, self._most = file, most_bytes, most_bytes

    def read(self, size):
        return self._spent(self._file.read(min(size, self._left)), size)

    def readline(self):
        return self._spent(self._file.readline(self._left), 0)

    def tell(self):
        return self._file.tell()

    def _spent(self, content, size):
        self._left -= len(content)
        if self._left <= 0 or size > self._left + len(content):
            raise ValueError(f"it is longer than {self._most} bytes, the most that such a file has")
        return content


class _Machine:
    def __init__(self, storages, vocabulary):
        self.stack, self.memo, self.storages, self.vocabulary = [], {}, storages, vocabulary
        self._left = _MOST_INSTRUCTIONS

    def spend(self, count):
        """Counts instructions, and the values that an instruction copies."""
        self._left -= count
        if self._left < 0:
            raise ValueError(f"it has more than {_MOST_INSTRUCTIONS} instructions")

    def follow(self, name, argument):
        """Runs one instruction."""
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _LITERALS:
            self.stack.append(argument)
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name in _TUPLES:
            self.stack.append(tuple(self._take(_TUPLES[name])))
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
        """Pops the values pushed since the last mark."""
        at = len(self.stack) - 1
        while self.stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise ValueError("there is no mark")
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return items

    def _take(self, count):
        if len(self.stack) < count:
            raise ValueError("the stack is empty")
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def _tuple(self, _):
        self.stack.append(tuple(self._since_mark()))

    def _append(self, _):
        (value,) = self._take(1)
        self._target(list).append(value)

    def _appends(self, _):
        values = self._since_mark()
        self._target(list).extend(values)

    def _setitem(self, _):
        key, value = self._take(2)
        self._target(dict)[_key(key)] = value

    def _setitems(self, _):
        items = self._since_mark()
        self._target(dict).update((_key(key), value) for key, value in zip(items[::2], items[1::2]))

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
        if type(module) is not str or type(attribute) is not str:
            raise ValueError(f"a name is made of a {type(module).__name__} and a {type(attribute).__name__}")
        name = Name(module, attribute)
        if name not in self.vocabulary.calls and name not in self.vocabulary.values:
            raise ForbiddenName(f"{module}.{attribute}"[:200])
        self.stack.append(name)

    def _reduce(self, _):
        function, arguments = self._take(2)
        if type(function) is not Name:
            raise ForbiddenName(f"a call of a {type(function).__name__}")
        call = self.vocabulary.calls.get(function)
        if call is None:
            raise ForbiddenName(f"a call of {function.module}.{function.attribute}")
        if type(arguments) is not tuple:
            raise ValueError(f"the arguments of a call are a {type(arguments).__name__}")
        if arguments and type(arguments[0]) in (list, tuple):
            self.spend(len(arguments[0]))  # a call may copy it
        self.stack.append(call(*arguments))

    def _build(self, _):
        (state,) = self._take(1)
        build = getattr(self.stack[-1], "build", None)  # a state_dict's _metadata is dropped: a plain dict has none
        if build:
            build(state)

    def _binpersid(self, _):
        (reference,) = self._take(1)
        if type(reference) is not tuple or len(reference) not in (5, 6):
            raise ForbiddenName(f"a reference to a {type(reference).__name__} that is no storage")
        kind, type_name, key, _, count, *view = reference
        if type(kind) is not str or kind != "storage" or type(type_name) is not Name or type_name not in _STORAGE_NAMES:
            raise ForbiddenName("a reference to what is no storage")
        if any(part is not None for part in view):
            raise ForbiddenName("a view of another storage")
        if type(key) is not str or not _is_count(count):
            raise ValueError(
                f"a storage has the key of a {type(key).__name__} and the size of a {type(count).__name__}"
            )
        self.storages[key] = StorageRef(type_name.attribute, key, count)
        self.stack.append(self.storages[key])


_CONSTANTS = {"MARK": _MARK, "NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINSTRING", "SHORT_BINSTRING"),  # Python 2 wrote older files
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
