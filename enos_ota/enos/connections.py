"""HTTP connections of one thread, with a deadline for each attempt and a mark for failures before a request was sent.

requests and urllib3 report a TLS handshake timeout as a read timeout, but cancelTask may be sent again only after a
failure before sending, so a failure to connect is marked where it happens. Their timeouts apply to each read, so an
answer that arrives byte by byte never ends. Here each read may only take the time that is left of the attempt.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import io
import re
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError

from enos_ota.enos.clock import SYSTEM_CLOCK
from enos_ota.enos.errors import ConfigurationError
from enos_ota.enos.gateway import is_loopback

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from requests.adapters import BaseAdapter

    from enos_ota.enos.clock import Clock

_HASHED: Final = re.compile(r"[0-9a-f]{8}\.[0-9]+")  # OpenSSL ignores other files in a directory


class ConnectFailed(NewConnectionError):  # noqa: N818 - a mark, never seen outside
    """There was no usable connection, so no part of the request was sent; `__cause__` is the reason."""


class AttemptDeadline:
    """Deadline of an attempt, from the connection to the last byte of the answer; each attempt restarts it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ends = clock.monotonic()

    def start(self, seconds: float) -> None:
        """Set the deadline of the attempt that begins now."""
        self._ends = self._clock.monotonic() + seconds

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Limit a part of the attempt to this time."""
        ends = self._ends
        self._ends = min(ends, self._clock.monotonic() + seconds)
        try:
            yield
        finally:
            self._ends = ends

    def apply(self, connection: socket.socket) -> None:
        """Limit the next operation of a socket to the time that is left; raise TimeoutError if none is left."""
        left = self._ends - self._clock.monotonic()
        if left <= 0:
            raise TimeoutError("the attempt took too long")
        connection.settimeout(left)


class _Incoming(io.RawIOBase):
    """Byte stream of an answer; each read is limited by the deadline."""

    def __init__(self, connection: socket.socket, deadline: AttemptDeadline) -> None:
        self._connection = connection
        self._deadline = deadline
        self._raw = connection.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._deadline.apply(self._connection)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class TimedResponse(http.client.HTTPResponse):
    """HTTP response, also of a proxy to CONNECT, that is read within a deadline however slowly its parts arrive."""

    def __init__(self, sock: socket.socket, *args: Any, deadline: AttemptDeadline, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_Incoming(sock, deadline))

    def begin(self) -> None:
        """Read interim answers, status line and headers."""
        super().begin()
        while 100 <= self.status < 200:  # noqa: PLR2004 - http.client passes over 100, and takes 103 for the answer
            self.headers = None  # type: ignore[assignment]  # otherwise nothing more is read
            super().begin()


class _Connection(HTTPConnection):
    def __init__(self, *args: Any, deadline: AttemptDeadline, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline = deadline
        make = functools.partial(TimedResponse, deadline=deadline)
        self.response_class = make  # type: ignore[assignment]  # it is only ever called

    def connect(self) -> None:
        try:
            super().connect()
            self._deadline.apply(self.sock)
        except Exception as error:
            raise ConnectFailed(self, "no connection") from error

    def _tunnel(self) -> None:
        timeout: Any = self.timeout  # to connect
        with self._deadline.within(timeout):
            super()._tunnel()
        self.sock.settimeout(timeout)  # the TLS handshake gets as long

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        self._deadline.apply(self.sock)
        super().send(data)


class _SecureConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    """Adapter without retries: a retry needs a new signature, which this layer cannot make."""

    def __init__(self, deadline: AttemptDeadline) -> None:
        super().__init__()
        self._pools: dict[str, Any] = {
            "http": functools.partial(_Pool, deadline=deadline),
            "https": functools.partial(_SecurePool, deadline=deadline),
        }
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        # A SOCKS manager has its own connections: no deadline, and failures count as "may have been processed".
        if type(manager) is ProxyManager:
            manager.pool_classes_by_scheme = self._pools
        return manager


class HttpSession(requests.Session):
    """Session with pooled connections that follows no redirects and uses neither .netrc nor cookies."""

    def __init__(
        self,
        gateway: str,
        ca_bundle: str | None,
        adapter: Callable[[], BaseAdapter] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Read proxies and, without `ca_bundle`, REQUESTS_CA_BUNDLE from the environment."""
        super().__init__()
        found = self.merge_environment_settings(gateway, {}, None, ca_bundle, None)
        # A proxy cannot reach this machine's loopback address, and over plain http it would see the token.
        proxies = {} if is_loopback(urlsplit(gateway).hostname or "") else dict(found["proxies"])
        self.settings: dict[str, Any] = {"proxies": proxies, "verify": found["verify"]}
        if isinstance(found["verify"], str) and gateway.startswith("https:"):
            check_ca_bundle(found["verify"])  # some 10 ms a session
        self.trust_env = False
        self._deadline = AttemptDeadline(clock)
        sender = adapter() if adapter else _Adapter(self._deadline)
        for scheme in ("https://", "http://"):
            self.mount(scheme, sender)

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Treat no answer as a redirect; requests would read its body completely, however long."""

    def fetch(
        self, method: str, url: str, *, headers: dict[str, str], body: bytes, timeout: tuple[float, float]
    ) -> requests.Response:
        """Send one request and return the answer with its body unread; the caller closes it.

        `timeout` is the seconds to connect, and the seconds for the whole attempt, the body of the answer included.
        """
        self._deadline.start(timeout[1])
        # Prepared without the session, so that neither .netrc nor cookies are added.
        request = requests.Request(method, url, headers=headers, data=body or None).prepare()
        return self.send(request, stream=True, timeout=timeout, allow_redirects=False, **self.settings)


def check_ca_bundle(path: str) -> None:
    """Raise a ConfigurationError if a file or a directory of CA certificates cannot be used."""
    problem = ""
    try:
        if not Path(path).is_dir():
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
        elif not any(_HASHED.fullmatch(each.name) for each in Path(path).iterdir()):
            problem = "is a directory in which OpenSSL finds no certificate: run `openssl rehash` on it, or name a file"
    except ssl.SSLError:
        problem = "holds no certificates in PEM form"
    except (OSError, ValueError) as error:
        problem = f"cannot be read ({getattr(error, 'strerror', None) or 'not a path'})"
    if problem:
        raise ConfigurationError(f"The CA bundle {path!a} {problem}; correct enos:caBundle or ENOS_CA_BUNDLE.")
