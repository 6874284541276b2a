"""Connections of one thread, and which failures surely happened before a request was sent.

Neither requests nor urllib3 tells the two apart: a TLS handshake that times out is reported as a read time-out, and a
TLS error may come from the handshake or from an answer. Whether cancelTask may be sent again hangs on it, so a failure
while connecting is marked where it happens.
"""

from __future__ import annotations

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

from enos_ota.enos.errors import ConfigurationError
from enos_ota.enos.gateway import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests.adapters import BaseAdapter

_HASHED: Final = re.compile(r"[0-9a-f]{8}\.[0-9]+")
"""How OpenSSL names a certificate in a directory; it sees no other file there."""

_Manager = TypeVar("_Manager", bound=PoolManager)


class ConnectFailed(NewConnectionError):  # noqa: N818 - a mark, never seen outside
    """There was no usable connection, so nothing of the request was sent; the reason is its `__cause__`."""


class _Connection(HTTPConnection):
    def connect(self) -> None:
        try:
            super().connect()
        except Exception as error:
            raise ConnectFailed(self, "no connection") from error


class _SecureConnection(HTTPSConnection):
    def connect(self) -> None:
        try:
            super().connect()
        except Exception as error:
            raise ConnectFailed(self, "no connection") from error


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS: Final = {"http": _Pool, "https": _SecurePool}


def _marking(manager: _Manager) -> _Manager:
    # A SOCKS manager brings connections of its own; without the mark its failures count as "may have been processed".
    if type(manager) in {PoolManager, ProxyManager}:
        manager.pool_classes_by_scheme = dict(_POOLS)
    return manager


class _Adapter(HTTPAdapter):
    """Never retries by itself: a retry is signed afresh, so it cannot be left to this layer."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager = _marking(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return _marking(super().proxy_manager_for(proxy, **kwargs))


class Session(requests.Session):
    """A pooled session that follows no redirect and takes nothing from .netrc or cookies."""

    def __init__(self, gateway: str, ca_bundle: str | None, adapter: Callable[[], BaseAdapter] | None = None) -> None:
        """Take proxies and, without a bundle of our own, REQUESTS_CA_BUNDLE from the environment.

        A loopback gateway is reached directly whatever the environment says: no proxy can know this machine's own
        address, and over plain http it would see the token.

        Args:
            gateway: address of the API gateway.
            ca_bundle: file or directory of the CA certificates to trust.
            adapter: makes what sends the requests, in place of connections of our own; see `EnosClient`.

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
        sender = adapter() if adapter else _Adapter()
        for scheme in ("https://", "http://"):
            self.mount(scheme, sender)

    def get_redirect_target(self, resp: requests.Response) -> None:
        """No answer is a redirect to us; requests would read its body to the end, however long."""

    def fetch(
        self, method: str, url: str, *, headers: dict[str, str], body: bytes, timeout: tuple[float, float]
    ) -> requests.Response:
        """Send one request and return the answer, body unread. The caller closes it."""
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
