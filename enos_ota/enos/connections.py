"""Connections of one thread: their deadline, and which failures surely happened before a request was sent.

Neither requests nor urllib3 tells the two apart: a TLS handshake that times out is reported as a read time-out, and a
TLS error may come from the handshake or from an answer. Whether cancelTask may be sent again hangs on it, so a failure
while connecting is marked where it happens.

Their time-outs are for each read, so an answer that comes byte by byte never ends. Here every read gets only what is
left of the attempt.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import io
import re
import ssl
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager
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
_HASHED: Final = re.compile(r"[0-9a-f]{8}\.[0-9]+")
"""How OpenSSL names a certificate in a directory; it sees no other file there."""

_Manager = TypeVar("_Manager", bound=PoolManager)

MAX_HEAD: Final = 256 * 1024
"""The most that is read before the body of an answer, in bytes: interim answers, status line and headers."""


class ConnectFailed(NewConnectionError):  # noqa: N818 - a mark, never seen outside
    """There was no usable connection, so nothing of the request was sent; the reason is its `__cause__`."""


class HeadTooLarge(http.client.HTTPException):
    """More than `MAX_HEAD` came before the body of an answer."""


class Deadline:
    """The end of one attempt, from the connection to the last byte of the answer. Each attempt starts it again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ends = clock.monotonic()

    def start(self, seconds: float) -> None:
        """The attempt that begins now gets this long."""
        self._ends = self._clock.monotonic() + seconds

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """A part of the attempt that gets this long at most."""
        ends = self._ends
        self._ends = min(ends, self._clock.monotonic() + seconds)
        try:
            yield
        finally:
            self._ends = ends

    def apply(self, connection: socket.socket) -> None:
        """Let the next operation of a socket take no longer than what is left.

        Raises:
            TimeoutError: Nothing is left.
        """
        left = self._ends - self._clock.monotonic()
        if left <= 0:
            raise TimeoutError("the attempt took too long")
        connection.settimeout(left)


class _Incoming(io.RawIOBase):
    """The bytes of an answer, each read within the deadline."""

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        self._connection = connection
        self._deadline = deadline
        self._raw = connection.makefile("rb", buffering=0)
        self.most: float = MAX_HEAD
        """How many bytes may still come."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._deadline.apply(self._connection)
        count = self._raw.readinto(buffer)
        self.most -= count or 0
        if self.most < 0:
            raise HeadTooLarge
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class TimedResponse(http.client.HTTPResponse):
    """An answer that is read within a deadline, whatever part of it comes slowly. Also a proxy's answer to CONNECT."""

    def __init__(self, sock: socket.socket, *args: Any, deadline: Deadline, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self._incoming = _Incoming(sock, deadline)
        self.fp = io.BufferedReader(self._incoming)

    def begin(self) -> None:
        """Read interim answers, status line and headers."""
        super().begin()
        while 100 <= self.status < 200:  # noqa: PLR2004 - http.client passes over 100, and takes 103 for the answer
            self.headers = None  # type: ignore[assignment]  # or nothing more is read
            super().begin()
        self._incoming.most = float("inf")  # the body has a limit of its own


class _Connection(HTTPConnection):
    def __init__(self, *args: Any, deadline: Deadline, **kwargs: Any) -> None:
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
    """Never retries by itself: a retry is signed afresh, so it cannot be left to this layer."""

    def __init__(self, deadline: Deadline) -> None:
        self._pools: dict[str, Any] = {
            "http": functools.partial(_Pool, deadline=deadline),
            "https": functools.partial(_SecurePool, deadline=deadline),
        }
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager = self._own(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return self._own(super().proxy_manager_for(proxy, **kwargs))

    def _own(self, manager: _Manager) -> _Manager:
        """Make a manager use our connections."""
        # A SOCKS manager brings connections of its own: no deadline, and failures count as "may have been processed".
        if type(manager) in {PoolManager, ProxyManager}:
            manager.pool_classes_by_scheme = self._pools
        return manager


class Session(requests.Session):
    """A pooled session that follows no redirect and takes nothing from .netrc or cookies."""

    def __init__(
        self,
        gateway: str,
        ca_bundle: str | None,
        adapter: Callable[[], BaseAdapter] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Take proxies and, without a bundle of our own, REQUESTS_CA_BUNDLE from the environment.

        A loopback gateway is reached directly whatever the environment says: no proxy can know this machine's own
        address, and over plain http it would see the token.

        Args:
            gateway: address of the API gateway.
            ca_bundle: file or directory of the CA certificates to trust.
            adapter: makes what sends the requests, in place of connections of our own; see `EnosClient`.
            clock: what the deadline of an attempt goes by.

        Raises:
            ConfigurationError: the CA bundle cannot be used.
        """
        super().__init__()
        if is_loopback(urlsplit(gateway).hostname or ""):
            self.settings: dict[str, Any] = {"verify": ca_bundle or True}
        else:
            found = self.merge_environment_settings(gateway, {}, None, ca_bundle, None)
            self.settings = {"proxies": dict(found["proxies"]), "verify": found["verify"]}
        if isinstance(self.settings["verify"], str):
            check_ca_bundle(self.settings["verify"])
        self.trust_env = False
        self._deadline = Deadline(clock)
        sender = adapter() if adapter else _Adapter(self._deadline)
        for scheme in ("https://", "http://"):
            self.mount(scheme, sender)

    def get_redirect_target(self, resp: requests.Response) -> None:
        """No answer is a redirect to us; requests would read its body to the end, however long."""

    def fetch(
        self, method: str, url: str, *, headers: dict[str, str], body: bytes, timeout: tuple[float, float]
    ) -> requests.Response:
        """Send one request and return the answer, body unread. The caller closes it.

        Args:
            method: HTTP method.
            url: where to.
            headers: all headers but those of the body's length.
            body: the body; empty for none.
            timeout: seconds to connect, and seconds for all of it, the body of the answer included.
        """
        self._deadline.start(timeout[1])
        # Prepared without the session, so that neither .netrc nor cookies get in.
        request = requests.Request(method, url, headers=headers, data=body or None).prepare()
        return self.send(request, stream=True, timeout=timeout, allow_redirects=False, **self.settings)


def check_ca_bundle(path: str) -> None:
    """See that a file of CA certificates, or a directory of them, can be used.

    Raises:
        ConfigurationError: it cannot; the text says why.
    """
    try:
        problem = _bundle_problem(Path(path))
    except ssl.SSLError:
        problem = "holds no certificates in PEM form"
    except (OSError, ValueError) as error:
        problem = f"cannot be read ({getattr(error, 'strerror', None) or 'not a path'})"
    if problem:
        raise ConfigurationError(f"The CA bundle {path!a} {problem}; correct enos:caBundle or ENOS_CA_BUNDLE.")


def _bundle_problem(path: Path) -> str:
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        if any(_HASHED.fullmatch(each.name) for each in path.iterdir()):
            return ""
        return "is a directory in which OpenSSL finds no certificate: run `openssl rehash` on it, or name a file"
    if not stat.S_ISREG(mode):
        return "is not a regular file"  # opening a named pipe would wait for ever
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    return ""
