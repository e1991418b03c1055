"""Messages between this process and a reader process: a JSON header, then the bytes of at most one array."""

from __future__ import annotations

import json
from multiprocessing.connection import Connection

import numpy as np

_LARGEST_HEADER = 2**28  # bytes; a list of a million frame numbers has 8 million


class Late(Exception):
    """The deadline passed before the message came."""


class Ended(Exception):
    """The other side is gone."""


def send(connection: Connection, header: dict, array: np.ndarray | None = None) -> None:
    """Send one message.

    Args:
        connection: to the other side.
        header: JSON values; "shape", the array's, is added here.
        array: uint8, contiguous.

    Raises:
        Ended: nobody reads it.
    """
    try:
        connection.send_bytes(json.dumps(header if array is None else {**header, "shape": array.shape}).encode())
        if array is not None and array.size:
            connection.send_bytes(memoryview(array).cast("B"))
    except OSError as error:
        raise Ended from error


def receive(connection: Connection, seconds: float | None = None) -> tuple[dict, np.ndarray | None]:
    """Receive one message.

    Args:
        connection: to the other side.
        seconds: to wait at most; None waits for ever.

    Returns:
        The header, and a uint8 array where the message carries one.

    Raises:
        Late: the time is over.
        Ended: the other side closed the connection.
    """
    try:
        if not connection.poll(seconds):
            raise Late
        header = json.loads(connection.recv_bytes(_LARGEST_HEADER))
        if "shape" not in header:
            return header, None
        array = np.empty(header.pop("shape"), np.uint8)
        if array.size:
            connection.recv_bytes_into(memoryview(array).cast("B"))
        return header, array
    except (EOFError, OSError) as error:
        raise Ended from error
