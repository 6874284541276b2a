"""The simulator without sockets: a client's requests are answered in the client's own thread, one after the other.

    simulator = Simulator(parse_fleet(SMALL_FLEET), clock=…, rng=random.Random(1))
    adapter = InProcessAdapter(simulator, before=…, after=…)
    client = EnosClient(GATEWAY, org_id, credentials, clock=clock, adapter=lambda: adapter)

One adapter may serve all threads of any number of clients. What comes of a request is what a real socket would make of
it: the same exceptions of requests and urllib3, raised at the same moment.
"""

from __future__ import annotations

import errno
import io
import threading
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import requests.exceptions
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse

from enos_simulator.gateway import Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from enos_simulator.gateway import Reply
    from enos_simulator.simulator import Simulator

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
        sleep: Called with the seconds that an answer is late, or with the client's read time-out if that is shorter; by
            default no time passes. Others are answered meanwhile.
    """

    def __init__(
        self,
        simulator: Simulator,
        *,
        before: Callable[[Request], None] | None = None,
        after: Callable[[Request, Reply], None] | None = None,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        super().__init__()
        self.simulator = simulator
        self.before = before
        self.after = after
        self.sleep = sleep
        self._lock = threading.Lock()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002, FBT001, FBT002 - the signature is that of requests
        timeout: Any = None,
        *_: Any,
        **__: Any,
    ) -> requests.Response:
        """Answer one request."""
        asked = _as_seen_by_the_simulator(request)
        if self.before:
            self.before(asked)
        with self._lock:
            reply = self.simulator.answer(asked)
        if self.after:
            self.after(asked, reply)
        self._be_late(reply.delay, timeout[1] if isinstance(timeout, tuple) else timeout)
        if reply.kind == "closed":
            raise connection_closed()
        return self._response(request, reply)

    def close(self) -> None:
        """Nothing is open, and other sessions may share this adapter."""

    def _be_late(self, delay: float, patience: float | None) -> None:
        late = patience is not None and delay > patience
        if delay and self.sleep:
            self.sleep(patience if patience is not None and late else delay)
        if late:
            timed_out = urllib3.exceptions.ReadTimeoutError(HTTPConnectionPool("enos.test"), "/", "Read timed out.")
            raise requests.exceptions.ReadTimeout(timed_out)

    def _response(self, request: requests.PreparedRequest, reply: Reply) -> requests.Response:
        # A body shorter than its Content-Length makes urllib3 raise what it would raise on a socket.
        raw = HTTPResponse(
            body=io.BytesIO(reply.sent()),
            headers={
                "Content-Type": reply.content_type,
                "Content-Length": str(len(reply.content())),
                **reply.headers,
            },
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
        body=content,
    )
