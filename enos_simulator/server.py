"""HTTP server: listens first, so that the address is known before the first request."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from enos_simulator.app import CONNECTION, create_app

if TYPE_CHECKING:
    from asyncio import BaseTransport
    from collections.abc import Iterator

    from enos_simulator.simulator import Simulator

_KEEP_ALIVE: Final = 75
"""Seconds that an idle connection stays open, as gateways do; uvicorn's own 5 s would cut pooled connections often."""

_TICK: Final = 0.01


class Server(uvicorn.Server):
    """A server that ends soon after `should_exit` is set, and leaves signals to its caller."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none: uvicorn would raise the signal again at the end, and the exit code would not be 0."""
        yield

    async def main_loop(self) -> None:
        """Check `should_exit` every 10 ms; uvicorn's 100 ms would slow down tests that start many servers."""
        ticks = 0
        # on_tick renews the Date header at every tenth number.
        while not await self.on_tick(ticks // 10):
            ticks += 1
            await asyncio.sleep(_TICK)


class _Protocol(H11Protocol):
    """HTTP protocol that lets the application close the connection, which ASGI does not support."""

    def connection_made(self, transport: BaseTransport) -> None:
        """Add the transport to the state of every request on this connection."""
        super().connection_made(transport)  # type: ignore[arg-type] # uvicorn itself is narrower than asyncio
        self.app_state = {**self.app_state, CONNECTION: transport}


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket; port 0 takes a free port. Raises OSError."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listening = socket.create_server(address[:2], family=family, backlog=2048)
    listening.setblocking(False)  # noqa: FBT003 - not our signature
    return listening


def url_of(listening: socket.socket) -> str:
    """Return the address to use as `enos:apiGateway`."""
    host, port = listening.getsockname()[:2]
    # Listening on all addresses; this machine reaches it by this one.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def make_server(simulator: Simulator) -> Server:
    """Build a server; run it with `server.run(sockets=[listening])`, which blocks until `should_exit`."""
    config = uvicorn.Config(
        create_app(simulator),
        loop="asyncio",
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=2,
    )
    return Server(config)
