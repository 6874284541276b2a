"""Conversion of exceptions of requests, urllib3, http.client and the socket layer to `EnosError`.

Texts of the lower layers are left out: they contain URLs, proxy passwords or headers.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
from typing import TYPE_CHECKING, Final, TypeVar

import requests.exceptions
import urllib3.exceptions

from enos_ota.enos.errors import AnswerLost, ConfigurationError, ConnectError, EnosError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enos_ota.enos.operations import ApiCall

_X = TypeVar("_X", bound=BaseException)

LOWER_LAYERS: Final = (
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,  # UnicodeError for odd host names, urllib3's ProxySchemeUnsupported
)
"""All exceptions that sending a request or reading its answer may raise."""

_BAD_SETTING: Final = (
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,  # InvalidProxyURL too
    requests.exceptions.MissingSchema,
    requests.exceptions.URLRequired,
    urllib3.exceptions.LocationValueError,  # LocationParseError, URLSchemeUnknown and ProxySchemeUnknown too
    urllib3.exceptions.ProxySchemeUnsupported,
)
_NO_CONNECTION: Final = (
    requests.exceptions.ConnectTimeout,
    requests.exceptions.ProxyError,
    urllib3.exceptions.ConnectTimeoutError,  # NewConnectionError, NameResolutionError and ConnectFailed too
    urllib3.exceptions.ProxyError,
)
_EXPIRED: Final = frozenset({9, 10})  # OpenSSL's verify codes: not yet valid, expired
_OTHER_HOST: Final = frozenset({62, 64})  # another host name, another address


def error_for(
    failure: BaseException, call: ApiCall, *, gateway: str, timeout: tuple[float, float], answering: bool = False
) -> EnosError:
    """Return the error for an exception that was raised while a request was sent or its answer was read.

    `timeout` is the seconds to connect, and for the whole attempt. `answering`: the answer had begun, so the request
    was certainly sent. Where it is unknown whether it was processed, the error reports that it may have been.
    """
    causes = list(_chain_of(failure))
    # The time left until a deadline has any number of decimals.
    connecting, whole = (f"{round(seconds, 2):g} s" for seconds in timeout)
    if not answering:
        if _first(causes, *_NO_CONNECTION):
            certificate = _first(causes, ssl.SSLCertVerificationError)
            reason, advice = _certificate(certificate) if certificate else _no_connection(causes, connecting)
            text = f"Cannot connect to {gateway} for {call.what}: {reason}. {advice}No request was sent."
            return call.error(ConnectError, text, permanent=certificate is not None)
        if _first(causes, *_BAD_SETTING):
            return call.error(
                ConfigurationError,
                f"{call.what} could not be sent: the address {gateway} or the proxy that the environment sets for it"
                " (HTTPS_PROXY) is invalid. No request was sent.",
            )
    if _first(causes, TimeoutError, urllib3.exceptions.ReadTimeoutError, requests.exceptions.ReadTimeout):
        text = f"{gateway} did not {'finish its answer to' if answering else 'answer'} {call.what} within {whole}."
    elif _first(causes, ssl.SSLError, urllib3.exceptions.SSLError, requests.exceptions.SSLError):
        text = f"The TLS connection to {gateway} broke before {call.what} was answered."
    else:
        text = f"The connection to {gateway} broke before {call.what} was answered completely."
    return call.error(AnswerLost, text)


def _no_connection(causes: list[BaseException], connecting: str) -> tuple[str, str]:
    """Return reason and advice."""
    if tls := _first(causes, ssl.SSLError):
        reason = (getattr(tls, "reason", None) or "handshake failed").replace("_", " ").lower()
        return f"TLS failed ({reason})", "Does the gateway speak https on this port? "
    if _first(causes, socket.gaierror, urllib3.exceptions.NameResolutionError):
        return "the host name cannot be resolved", ""
    if _first(causes, TimeoutError, requests.exceptions.ConnectTimeout):
        return f"no connection within {connecting}", ""
    below = [cause for cause in causes if not isinstance(cause, requests.exceptions.RequestException)]
    if system := _first(below, OSError):
        if system.errno is not None:
            return os.strerror(system.errno).lower(), ""
        # http.client's text for a proxy that refuses CONNECT contains the proxy's own text, so it is not shown.
        return "the proxy refused, or broke the connection", "Check HTTPS_PROXY and NO_PROXY. "
    return "no connection", ""


def _certificate(error: ssl.SSLCertVerificationError) -> tuple[str, str]:
    """Return reason and advice."""
    if error.verify_code in _EXPIRED:
        return "its certificate is expired or not valid yet", "Check it, and this machine's clock. "
    if error.verify_code in _OTHER_HOST:
        return "its certificate is for another host", "Check the gateway's address. "
    return (
        f"its certificate is not trusted ({error.verify_message})",
        "Give the CA that signed it with enos:caBundle or ENOS_CA_BUNDLE. ",
    )


def _first(causes: list[BaseException], *kinds: type[_X]) -> _X | None:
    return next((cause for cause in causes if isinstance(cause, kinds)), None)


def _chain_of(failure: BaseException) -> Iterator[BaseException]:
    """Yield the exception and all exceptions that it wraps, in any of the ways of the lower layers.

    Its `__context__` is left out: it may be an earlier exception that the caller was handling.
    """
    seen: set[int] = set()
    waiting: list[object] = [failure]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [*one.args, getattr(one, "reason", None), getattr(one, "original_error", None), one.__cause__]
