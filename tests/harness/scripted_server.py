"""A server that answers the bytes of a test's script, over real sockets.

    with ScriptedServer([ok({"jobId": "j"}), DROP]) as server:
        ...  # talk to server.url
        assert server.names == ["token/get", "get", "cancelTask"]

The token service answers by itself (`token-1`, `token-2`, …) unless the test gives `tokens`. What is asked beyond the
script is answered with HTTP 418 and fails the test when the server ends.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    import ssl

    from typing_extensions import Self

    from tests.harness.clock import FakeClock


@dataclass(frozen=True)
class Request:
    """A request as it came in."""

    method: str
    target: str
    headers: dict[str, str]
    """By lower-case name."""
    body: bytes

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def name(self) -> str:
        """`token/get` or `token/refresh`, else the query's action."""
        path = urlsplit(self.target).path
        return path[path.index("token/") :] if "/token/" in path else self.query.get("action", path)

    def json(self) -> Any:
        return json.loads(self.body)


Step = bytes | Callable[[Request], bytes | Iterable[bytes] | None]
"""Bytes to answer, or what makes them from the request, whole or in pieces that are sent as they come; None closes the
connection without an answer."""


def DROP(_: Request) -> None:  # noqa: N802 - used in scripts like a constant
    """Read the request, then close the connection."""


def drip(clock: FakeClock | None, before: bytes, each: bytes) -> Step:
    """An answer that has no end: the same piece again and again, one a second by the clock, or without a pause."""

    def pieces(_: Request) -> Iterable[bytes]:
        yield before
        while True:
            if clock:
                clock.advance(1)
            yield each

    return pieces


def free_port() -> int:
    """Return a port on which no server listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def http(status: int, body: bytes | str = b"", content_type: str = "text/html", **headers: str) -> bytes:
    """An HTTP answer; `retry_after="3"` becomes the header Retry-After."""
    content = body if isinstance(body, bytes) else body.encode()
    lines = [f"HTTP/1.1 {status} Scripted", f"Content-Type: {content_type}", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-').title()}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


def envelope(value: dict[str, Any], status: int = 200, **headers: str) -> bytes:
    """A JSON answer."""
    return http(status, json.dumps(value), "application/json", **headers)


def ok(data: Any = None, *, request_id: str = "r-ok", **fields: Any) -> bytes:
    """EnOS's envelope of a success."""
    return envelope({"code": 0, "msg": "OK", "requestId": request_id, "data": data, **fields})


def rows(*data: dict[str, Any], total: int | None = None, page_size: int | None = 200) -> bytes:
    """EnOS's envelope of a page."""
    return ok(list(data), pagination={"sortedBy": None, "pageNo": None, "pageSize": page_size, "totalSize": total})


def refusal(code: int, msg: str = "scripted", *, status: int = 200, **headers: str) -> bytes:
    """EnOS's envelope of an error."""
    return envelope({"code": code, "msg": msg, "requestId": "r-no", "data": None}, status, **headers)


def rejection(code: int, msg: str = "rejected", *, status: int = 200, field: str = "status") -> bytes:
    """What the gateway answers to a bad token or signature."""
    return envelope({field: code, "msg": msg, "business": "apim-token-service", "data": None}, status)


def token(text: str, expire: Any = 7200) -> bytes:
    """The token service's answer."""
    return envelope(
        {
            "status": 0,
            "msg": "SUCCESS",
            "business": "apim-token-service",
            "data": {"accessToken": text, "expire": expire},
        }
    )


@dataclass
class ScriptedServer:
    """Answers step by step, whatever the connection."""

    script: Iterable[Step] = ()
    tokens: Iterable[Step] | None = None
    """Answers of the token service; None: as many tokens as are asked for."""
    tls: ssl.SSLContext | None = None
    port: int = 0
    """Any free one unless given."""
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._script = deque(self.script)
        self._tokens = None if self.tokens is None else deque(self.tokens)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._unexpected: list[str] = []
        self._issued = 0

    @property
    def names(self) -> list[str]:
        """What was asked, in order."""
        with self._lock:
            return [request.name for request in self.requests]

    @property
    def calls(self) -> list[Request]:
        """The requests, without those to the token service."""
        with self._lock:
            return [request for request in self.requests if not request.name.startswith("token/")]

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"
        self._start(self._accept)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        self._listener.close()
        with self._lock:
            for connection in self._open:
                _shut(connection)
        for thread in self._threads:
            thread.join(10)
        if kind is None:
            assert not self._unexpected, f"requests beyond the script: {self._unexpected}"
            assert not self._script, f"{len(self._script)} scripted answers were never asked for"

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)
        try:
            if self.tls:
                plain, connection = connection, self.tls.wrap_socket(connection, server_side=True)
                with self._lock:
                    self._open.discard(plain)
                    self._open.add(connection)
            with connection, connection.makefile("rb") as stream:
                while request := _read(stream):
                    answer = self._answer(request)
                    if answer is None:
                        return
                    if not isinstance(answer, bytes):
                        for piece in answer:
                            connection.sendall(piece)
                        continue
                    connection.sendall(answer)
                    if b"\r\nConnection: close\r\n" in answer:
                        return
        except OSError:
            pass  # the client went away
        finally:
            connection.close()
            with self._lock:
                self._open.discard(connection)

    def _answer(self, request: Request) -> bytes | Iterable[bytes] | None:
        with self._lock:
            self.requests.append(request)
            step = self._step(request)
        return step if isinstance(step, bytes) else step(request)

    def _step(self, request: Request) -> Step:
        steps = self._script
        if request.name.startswith("token/"):
            if self._tokens is None:
                self._issued += 1
                return token(f"token-{self._issued}")
            steps = self._tokens
        if steps:
            return steps.popleft()
        self._unexpected.append(request.name)
        return http(418, "nothing is scripted for this")


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the client was quicker
        connection.shutdown(socket.SHUT_RDWR)


def _read(stream: Any) -> Request | None:
    line = stream.readline().decode("latin-1").strip()
    if not line:
        return None
    method, target, _ = line.split(" ", 2)
    headers = {}
    while header := stream.readline().decode("latin-1").strip():
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", 0)))
    return Request(method, target, headers, body)
