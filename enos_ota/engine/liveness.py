"""Whether the Pulumi engine that started this process still lives.

After kill -9 of `pulumi` its provider goes on: seen to send a cancel after the key had been un-declared and another
`pulumi up` had finished. Its parent is a launcher script that survives too. What tells is the engine's own address,
which every provider is started with: when nothing listens there any more, the engine is gone.
"""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Final, NamedTuple

from enos_ota.enos import EnosError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_TIMEOUT: Final = 2.0
"""Seconds. The address is on loopback: a living engine accepts at once."""

_EVERY: Final = 2.0
"""Seconds between two looks of `when_engine_is_gone`."""
_MISSES: Final = 2
"""Checks in a row that find no engine, until it counts as gone for good."""


class EngineGone(EnosError):  # noqa: N818 - named after what happened
    """The engine of this process is gone, or its address is unknown: nothing may be written any more."""


class Address(NamedTuple):
    """Where an engine listens."""

    host: str
    port: int


def ensure_engine(argv: Sequence[str]) -> None:
    """Raise `EngineGone` if the engine is gone that started a provider with these arguments."""
    address = engine_address(argv)
    if address is None:
        raise EngineGone("The address of the Pulumi engine is not known to this provider, so nothing may be sent.")
    if not is_alive(address):
        raise EngineGone("The Pulumi engine of this run is gone, so nothing more was sent.")


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


def when_engine_is_gone(argv: Sequence[str], act: Callable[[], None], *, every: float = _EVERY) -> None:
    """Call a function, in a thread of its own, once the engine of this process is gone; without an address never."""
    if address := engine_address(argv):
        threading.Thread(target=_watch, args=(address, act, every), name="engine watch", daemon=True).start()


def _watch(address: Address, act: Callable[[], None], every: float) -> None:
    pause = threading.Event()
    misses = 0
    while misses < _MISSES:
        pause.wait(every)
        misses = 0 if is_alive(address) else misses + 1
    act()
