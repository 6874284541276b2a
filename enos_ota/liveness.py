"""Whether the Pulumi engine that started this process still lives.

After kill -9 of `pulumi` its provider goes on: seen to send a cancel after the key had been un-declared and another
`pulumi up` had finished. Its parent is a launcher script that survives too. What tells is the engine's own address,
which every provider is started with: when nothing listens there any more, the engine is gone.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_TIMEOUT: Final = 2.0
"""Seconds. The address is on loopback: a living engine accepts at once."""


class Address(NamedTuple):
    """Where an engine listens."""

    host: str
    port: int


def engine_address(argv: Sequence[str]) -> Address | None:
    """The engine's address among a provider's arguments: the last that reads host:port."""
    for argument in reversed(argv[1:]):
        host, separator, port = argument.rpartition(":")
        if separator and host and "/" not in host and port.isascii() and port.isdigit():
            return Address(host.strip("[]"), int(port))
    return None


def is_alive(address: Address) -> bool:
    """Whether something accepts connections there."""
    try:
        socket.create_connection(address, timeout=_TIMEOUT).close()
    except OSError:
        return False
    return True
