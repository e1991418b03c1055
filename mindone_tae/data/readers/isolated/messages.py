"""Messages between this process and one that reads for it: a JSON header, then the bytes of one array or none."""

from __future__ import annotations

import json
import os
import select
import struct
import time

import numpy as np

_LENGTH = struct.Struct("<I")


class Late(Exception):
    """The deadline passed before the whole message came."""


class Ended(Exception):
    """The other side is gone."""


def send(handle: int, header: dict, array: np.ndarray | None = None) -> None:
    """Write one message to a pipe.

    Args:
        handle: file descriptor.
        header: what JSON can hold; "shape" is the array's and is added here.
        array: uint8, contiguous.

    Raises:
        Ended: nobody reads it.
    """
    if array is not None:
        header = {**header, "shape": list(array.shape)}
    text = json.dumps(header).encode()
    try:
        _write(handle, memoryview(_LENGTH.pack(len(text)) + text))
        if array is not None and array.size:
            _write(handle, memoryview(array).cast("B"))
    except OSError as error:
        raise Ended from error


def receive(handle: int, seconds: float | None = None) -> tuple[dict, np.ndarray | None]:
    """Read one message from a pipe.

    Args:
        handle: file descriptor.
        seconds: to wait at most for all of it; None waits for ever.

    Returns:
        The header, and a uint8 array where the message carries one.

    Raises:
        Late: the time is over.
        Ended: the other side closed the pipe.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    length = bytearray(_LENGTH.size)
    _read(handle, memoryview(length), deadline)
    text = bytearray(_LENGTH.unpack(length)[0])
    _read(handle, memoryview(text), deadline)
    header = json.loads(text)
    if "shape" not in header:
        return header, None
    array = np.empty(header.pop("shape"), np.uint8)
    if array.size:
        _read(handle, memoryview(array).cast("B"), deadline)
    return header, array


def _write(handle, data):
    while data:
        data = data[os.write(handle, data) :]


def _read(handle, target, deadline):
    """Fill a buffer."""
    poll = select.poll()  # select() itself refuses descriptors above 1023
    poll.register(handle, select.POLLIN)
    while target:
        if deadline is not None and not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise Late
        count = os.readv(handle, [target])
        if not count:
            raise Ended
        target = target[count:]
