"""The simulator behind HTTP: the EnOS API goes to the gateway, what is under `/_simulator/` to the control API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from enos_ota.simulator import control
from enos_ota.simulator.gateway import LARGEST_BODY, Request

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from enos_ota.simulator.simulator import Simulator

_DRAINED: Final = 4 * LARGEST_BODY


def create_app(simulator: Simulator) -> ASGIApp:
    """An ASGI application that serves this simulator. A request is answered in one go, so none sees another's half."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            request = await _read(HttpRequest(scope, receive))
        except ClientDisconnect:
            return
        if request.path.startswith(control.PREFIX):
            reply = control.answer(simulator, request)
        else:
            reply = simulator.answer(request)
        text = json.dumps(reply.body, ensure_ascii=False, separators=(",", ":"))
        # A lone surrogate, which JSON can spell, cannot be sent as UTF-8.
        response = Response(text.encode(errors="replace"), reply.http, media_type="application/json")
        await response(scope, receive, send)

    return app


async def _read(http: HttpRequest) -> Request:
    chunks: list[bytes] | None = []
    size = 0
    async for chunk in http.stream():
        size += len(chunk)
        if size > LARGEST_BODY:
            # Read on for a while and keep nothing: a caller that is still sending would miss the answer.
            chunks = None
            if size > _DRAINED:
                break
        if chunks is not None:
            chunks.append(chunk)
    return Request(
        method=http.method,
        path=http.scope["path"],
        query=tuple(parse_qsl(http.scope["query_string"].decode("latin-1"), keep_blank_values=True)),
        headers=dict(http.headers),
        body=None if chunks is None else b"".join(chunks),
    )
