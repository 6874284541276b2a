"""ASGI application: passes the EnOS API to the simulator and `/_simulator/` to the control API."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from enos_simulator import control
from enos_simulator.gateway import Request

if TYPE_CHECKING:
    from asyncio import Transport
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from enos_simulator.gateway import Reply
    from enos_simulator.simulator import Simulator

CONNECTION: Final = "connection"
"""Key of the transport in the state of a request's scope; faults close it."""


def create_app(simulator: Simulator, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> ASGIApp:
    """Build the ASGI application of a simulator. It processes one request at a time.

    `sleep` delays a late answer; other requests are answered meanwhile.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        http = HttpRequest(scope, receive)
        try:
            body = await http.body()
        except ClientDisconnect:
            return
        query = tuple(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        request = Request(http.method, scope["path"], query, dict(http.headers), body)
        if request.path.startswith(control.PREFIX):
            # `server`: the address at which the request arrived.
            reply = control.answer(simulator, request, scope["server"][0])
        else:
            reply = simulator.answer(request)
        if reply.delay:
            try:
                await sleep(reply.delay)
            except asyncio.CancelledError:
                # The server ends: send nothing instead of the late answer.
                scope["state"][CONNECTION].abort()
                raise
        if reply.kind in {"closed", "truncated"}:
            await _close(reply, scope, receive, send)
            return
        headers = {"Content-Type": reply.content_type, **reply.headers}
        await Response(reply.content(), reply.http, headers)(scope, receive, send)

    return app


async def _close(reply: Reply, scope: Scope, receive: Receive, send: Send) -> None:
    """Close the connection as the reply demands, and wait until the server has noticed."""
    connection: Transport = scope["state"][CONNECTION]
    if reply.kind == "truncated":
        announced = {"content-type": reply.content_type, "content-length": str(len(reply.content()))}
        headers = [(name.encode(), value.encode("latin-1")) for name, value in {**announced, **reply.headers}.items()]
        await send({"type": "http.response.start", "status": reply.http, "headers": headers})
        await send({"type": "http.response.body", "body": reply.sent(), "more_body": True})
        connection.close()  # after sending what is written
    else:
        connection.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
