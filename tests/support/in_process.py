"""The simulator without sockets: a client's requests are answered in the client's own thread, in order, at no delay.

    simulator = Simulator(parse_fleet(SMALL_FLEET), clock=…, rng=random.Random(1))
    adapter = InProcessAdapter(simulator, before=…, after=…)
    client = EnosClient(GATEWAY, org_id, credentials, clock=clock, adapter=lambda: adapter)

One adapter may serve all threads of any number of clients. What comes of a request is what a real socket would make of
it: the same exceptions of requests and urllib3, raised at the same moment.
"""

from __future__ import annotations

import errno
import io
import json
import threading
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import requests.exceptions
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from enos_ota.simulator.gateway import LARGEST_BODY, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from enos_ota.simulator.simulator import Simulator

GATEWAY: Final = "https://enos.test"
"""A gateway for clients with this adapter; nothing is looked up or connected to."""


class InProcessAdapter(HTTPAdapter):
    """Answers the requests of a session from a simulator.

    Args:
        simulator: What answers; one request at a time, whatever the number of threads.
        before: Called with the simulator's Request before it is processed. What it raises, BaseException included, goes
            to the client's caller, and the request never arrives.
        after: Called with the Request and the Reply after processing, before the client sees anything of the answer.
            What it raises goes to the client's caller: processed, answer never seen.
    """

    def __init__(
        self,
        simulator: Simulator,
        *,
        before: Callable[[Request], None] | None = None,
        after: Callable[[Request, Reply], None] | None = None,
    ) -> None:
        super().__init__()
        self.simulator = simulator
        self.before = before
        self.after = after
        self._lock = threading.Lock()

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """Answer one request."""
        asked = _as_seen_by_the_simulator(request)
        if self.before:
            self.before(asked)
        with self._lock:
            reply = self.simulator.answer(asked)
        if self.after:
            self.after(asked, reply)
        return self._response(request, reply)

    def close(self) -> None:
        """Nothing is open, and other sessions may share this adapter."""

    def _response(self, request: requests.PreparedRequest, reply: Reply) -> requests.Response:
        content = json.dumps(reply.body, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
        headers = {"Content-Type": "application/json", "Content-Length": str(len(content))}
        raw = HTTPResponse(
            body=io.BytesIO(content),
            headers=headers,
            status=reply.http,
            preload_content=False,
            request_method=request.method,
        )
        return self.build_response(request, raw)


def connection_closed() -> requests.exceptions.ConnectionError:
    """What a client sees of a connection that is closed without an answer; for `before` and `after` to raise."""
    gone = ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
    return requests.exceptions.ConnectionError(urllib3.exceptions.ProtocolError("Connection aborted.", gone))


def _as_seen_by_the_simulator(request: requests.PreparedRequest) -> Request:
    url = urlsplit(str(request.url))
    body = request.body or b""
    content = body.encode() if isinstance(body, str) else bytes(body)
    return Request(
        method=str(request.method),
        path=unquote(url.path),
        query=tuple(parse_qsl(url.query, keep_blank_values=True)),
        headers={name.lower(): str(value) for name, value in request.headers.items()},
        body=None if len(content) > LARGEST_BODY else content,
    )
